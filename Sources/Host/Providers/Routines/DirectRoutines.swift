import CWinsock
import QuerySets

/// The complete `NSPV2_ROUTINE` of one provider: no entry is NULL. What the provider has is called directly; the rest are stubs.
public final class DirectRoutines: ProviderRoutines {
  /// Why a table that was handed over can't be used.
  public enum Defect: Error, Equatable, Sendable {
    case tooSmall(UInt32)
    case missing(ProviderRoutine)
    case outOfMemory
  }

  /// The table itself. Its address and contents stay as they are for the life of this object.
  public nonisolated(unsafe) let pointer: UnsafePointer<NSPV2_ROUTINE>
  private let stubs: [StubClosure?]
  /// What the entries need to live, where they are Swift code.
  private let closures: RoutineClosures?
  public var traits: ProviderTraits { [] }
  public let majorVersion: UInt32
  public let minorVersion: UInt32

  /// Completes a table: entries that `partial` lacks become stubs. The table is copied.
  /// - Parameter partial: A table whose NULL entries are missing; entries that don't lie wholly inside its `cbSize` count as NULL.
  /// - Parameter allowsPartial: Accept a table without Begin, NextEx or End.
  public convenience init(
    completing partial: UnsafePointer<NSPV2_ROUTINE>, allowsPartial: Bool, completion: @escaping AsyncCompletion
  ) throws(Defect) {
    try self.init(completing: partial, by: nil, allowsPartial: allowsPartial, completion: completion)
  }

  /// A table of C functions that call other routines, for foreign code.
  /// - Parameter context: What a routine is called for, asked on the thread of the call.
  public convenience init(
    calling routines: any ProviderRoutines, context: @escaping @Sendable () -> CallContext = { CallContext() },
    completion: @escaping AsyncCompletion
  ) throws(Defect) {
    guard let closures = RoutineClosures(routines, context: context, complete: completion) else { throw .outOfMemory }
    var table = NSPV2_ROUTINE()
    table.cbSize = UInt32(MemoryLayout<NSPV2_ROUTINE>.size)
    (table.dwMajorVersion, table.dwMinorVersion) = (routines.majorVersion, routines.minorVersion)
    closures.fill(&table)
    try self.init(completing: &table, by: closures, allowsPartial: true, completion: completion)
  }

  private init(
    completing partial: UnsafePointer<NSPV2_ROUTINE>, by closures: RoutineClosures?, allowsPartial: Bool,
    completion: @escaping AsyncCompletion
  ) throws(Defect) {
    self.closures = closures
    let size = partial.pointee.cbSize
    let required = MemoryLayout<NSPV2_ROUTINE>.offset(of: \.NSPv2SetServiceEx)!
    guard size >= required else { throw .tooSmall(size) }
    let full = UnsafeMutableRawPointer.allocate(
      byteCount: MemoryLayout<NSPV2_ROUTINE>.size, alignment: MemoryLayout<NSPV2_ROUTINE>.alignment)
    full.initializeMemory(as: UInt8.self, repeating: 0, count: MemoryLayout<NSPV2_ROUTINE>.size)
    let whole = min(Int(size), MemoryLayout<NSPV2_ROUTINE>.size)
    let lastEntryEnd = NSPV2_ROUTINE.offset(of: .startup) + (whole - NSPV2_ROUTINE.offset(of: .startup)) / 8 * 8
    full.copyMemory(from: partial, byteCount: min(whole, lastEntryEnd))

    var stubs: [StubClosure?] = []
    var defect: Defect?
    for routine in ProviderRoutine.allCases {
      let slot = full.advanced(by: NSPV2_ROUTINE.offset(of: routine))
      guard slot.load(as: UnsafeRawPointer?.self) == nil else {
        stubs.append(nil)
        continue
      }
      guard !routine.isRequired || allowsPartial else {
        defect = .missing(routine)
        break
      }
      guard let stub = StubClosure(routine: routine, complete: completion) else {
        defect = .outOfMemory
        break
      }
      slot.storeBytes(of: stub.code, as: UnsafeMutableRawPointer.self)
      stubs.append(stub)
    }
    if let defect {
      full.deallocate()
      throw defect
    }
    let table = full.bindMemory(to: NSPV2_ROUTINE.self, capacity: 1)
    table.pointee.cbSize = UInt32(MemoryLayout<NSPV2_ROUTINE>.size)
    pointer = UnsafePointer(table)
    majorVersion = table.pointee.dwMajorVersion
    minorVersion = table.pointee.dwMinorVersion
    self.stubs = stubs
  }

  deinit { pointer.deallocate() }

  public func entry(_ routine: ProviderRoutine) -> RoutineEntry { stubs[routine.rawValue] == nil ? .direct : .stub }

  public func interceptions(_ routine: ProviderRoutine) -> Int { stubs[routine.rawValue]?.interceptions ?? 0 }

  /// The address that is in the table for a routine, as a benchmark or a test calls it.
  public func address(_ routine: ProviderRoutine) -> UnsafeRawPointer {
    UnsafeRawPointer(pointer).load(fromByteOffset: NSPV2_ROUTINE.offset(of: routine), as: UnsafeRawPointer.self)
  }
}

extension NSPV2_ROUTINE {
  static func offset(of routine: ProviderRoutine) -> Int {
    MemoryLayout<NSPV2_ROUTINE>.offset(of: \.NSPv2Startup)! + routine.rawValue * MemoryLayout<UnsafeRawPointer>.size
  }
}
