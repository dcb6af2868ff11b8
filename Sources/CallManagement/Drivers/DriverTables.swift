import CWinsock
import Rundown

/// A driver that was written against ndis.h: the tables that it has set, and what it is by them (condis.md §3).
final class DriverTables: @unchecked Sendable {
  // Unchecked: the tables hold C functions, which may be called from any thread; the rest is behind the lock.
  struct Tables {
    var protocolCharacteristics: NDIS_PROTOCOL_CO_CHARACTERISTICS?
    var miniport: NDIS_MINIPORT_CO_CHARACTERISTICS?
    var callManager: NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS?
    var client: NDIS_CO_CLIENT_OPTIONAL_HANDLERS?
    /// Adapters and bindings.
    var uses = 0
    var isRetired = false
  }

  private let state = Locked<Tables>(Tables())

  /// Copies one table, told by its type. A driver in use keeps the tables that it has.
  func set(_ header: UnsafePointer<NDIS_OBJECT_HEADER>) -> NDISStatus {
    state.withLock { state in
      switch Int32(header.pointee.Type) {
      case NDIS_OBJECT_TYPE_CO_PROTOCOL_CHARACTERISTICS: Self.copy(header, into: &state.protocolCharacteristics, state.uses)
      case NDIS_OBJECT_TYPE_CO_MINIPORT_CHARACTERISTICS: Self.copy(header, into: &state.miniport, state.uses)
      case NDIS_OBJECT_TYPE_CO_CALL_MANAGER_OPTIONAL_HANDLERS: Self.copy(header, into: &state.callManager, state.uses)
      case NDIS_OBJECT_TYPE_CO_CLIENT_OPTIONAL_HANDLERS: Self.copy(header, into: &state.client, state.uses)
      default: .notSupported
      }
    }
  }

  static func copy<Table: HandlerTable>(
    _ header: UnsafePointer<NDIS_OBJECT_HEADER>, into place: inout Table?, _ uses: Int
  ) -> NDISStatus {
    guard uses == 0, place == nil, header.pointee.Revision >= 1, Int(header.pointee.Size) >= MemoryLayout<Table>.size else {
      return .failure
    }
    // The header says that the whole table is there.
    let table = UnsafeRawPointer(header).loadUnaligned(as: Table.self)
    guard table.isComplete else { return .failure }
    place = table
    return .success
  }

  /// What the driver is, counted as one more use; nil when it lacks what the use needs.
  func use<Role>(_ role: (Tables) -> Role?) -> Role? {
    state.withLock { state in
      guard !state.isRetired, let role = role(state) else { return nil }
      state.uses += 1
      return role
    }
  }

  func endUse() { state.withLock { $0.uses -= 1 } }

  /// No use from here on; false as long as there is one.
  func retire() -> Bool {
    state.withLock { state in
      if state.uses == 0 { state.isRetired = true }
      return state.isRetired
    }
  }
}

/// One of the four tables.
protocol HandlerTable {
  /// Every member that must be there is.
  var isComplete: Bool { get }
}

extension NDIS_PROTOCOL_CO_CHARACTERISTICS: HandlerTable {
  // Which of these a driver needs depends on what else it is.
  var isComplete: Bool { true }
}

extension NDIS_MINIPORT_CO_CHARACTERISTICS: HandlerTable {
  /// A miniport call manager has neither of the first two; any other miniport has all that call managers ask it for.
  var isComplete: Bool {
    if CoCreateVcHandler == nil, CoDeleteVcHandler == nil { return true }
    return CoCreateVcHandler != nil && CoDeleteVcHandler != nil && CoActivateVcHandler != nil && CoDeactivateVcHandler != nil
  }
}

extension NDIS_CO_CLIENT_OPTIONAL_HANDLERS: HandlerTable {
  var isComplete: Bool { hasEveryHandler(self) }
}

extension NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS: HandlerTable {
  var isComplete: Bool { hasEveryHandler(self) }
}

/// Both tables are a header, a reserved word, and then pointers to functions without gaps.
private func hasEveryHandler<Table>(_ table: Table) -> Bool {
  withUnsafeBytes(of: table) { bytes in
    stride(from: 8, to: bytes.count, by: MemoryLayout<UInt>.size).allSatisfy {
      bytes.load(fromByteOffset: $0, as: UInt.self) != 0
    }
  }
}
