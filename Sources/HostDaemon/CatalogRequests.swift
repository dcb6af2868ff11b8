import CWinsock
import Glibc
import Lookups
import Providers
import QuerySets
import Wire

/// The catalog, shown and changed. Changes are for operators: root, and the host's own user.
extension Requests {
  func enumerate(_ answer: inout FrameWriter) {
    // One that serves several name spaces is there once for each.
    let rows = host.catalog.entries.flatMap { entry in
      entry.manifest.nameSpaces.enumerated.enumerated().map { (entry, $0.element, isFurther: $0.offset > 0) }
    }
    answer.append(UInt32(rows.count))
    answer.append(UInt32(0))
    for (entry, space, isFurther) in rows {
      let name = Array(entry.manifest.displayName.utf16)
      withUnsafeBytes(of: entry.id) { answer.append($0) }
      answer.append(space.rawValue)
      answer.append(UInt32(entry.isActive ? 1 : 0))
      answer.append(entry.manifest.version)
      answer.append(UInt32(name.count))
      answer.append(UInt32(entry.blob?.count ?? 0))
      answer.append(EnumeratedTraits.bits(servesAll: entry.manifest.nameSpace == .all, isFurther: isFurther))
      for unit in name { answer.append(unit) }
      answer.align()
      if let blob = entry.blob { answer.append(blob) }
      answer.align()
    }
  }

  func install(_ fields: inout FieldReader, _ connection: Connection) throws(WinsockError) {
    guard connection.isOperator else { throw .accessDenied }
    guard let id = Self.id(&fields), let space = fields.uint32(), let version = fields.uint32(), let names = fields.uint32(),
      let paths = fields.uint32(), let blobs = fields.uint32(), let hasBlob = fields.uint32(),
      let name = Self.text(&fields, names), let path = Self.text(&fields, paths), let blob = fields.bytes(Int(blobs))
    else { throw .invalidArgument }
    let installation = try Installation(
      id: id, identifier: name, path: path, nameSpace: NameSpace(rawValue: space), version: version,
      blob: hasBlob != 0 ? Array(blob) : nil)
    // What can't be listed in one frame can't be listed at all.
    let listed = host.catalog.entries.reduce(0) { sum, entry in
      let one = 64 + entry.manifest.displayName.utf16.count * 2 + (entry.blob?.count ?? 0)
      return sum + one * entry.manifest.nameSpaces.enumerated.count
    }
    guard listed + 64 + Int(names) * 2 + Int(blobs) <= Int(limits.maximumFrame) else { throw .notEnoughMemory }
    do throws(ProviderHost.ChangeFailure) { try host.install(installation) } catch { throw error.winsockError }
  }

  func uninstall(_ fields: inout FieldReader, _ connection: Connection) throws(WinsockError) {
    guard connection.isOperator else { throw .accessDenied }
    guard let id = Self.id(&fields) else { throw .invalidArgument }
    do throws(ProviderHost.ChangeFailure) { try host.uninstall(id) } catch { throw error.winsockError }
  }

  func enable(_ fields: inout FieldReader, _ connection: Connection) throws(WinsockError) {
    guard connection.isOperator else { throw .accessDenied }
    guard let id = Self.id(&fields), let isEnabled = fields.uint32() else { throw .invalidArgument }
    do throws(ProviderHost.ChangeFailure) {
      if isEnabled != 0 { try host.enable(id) } else { try host.disable(id) }
    } catch {
      // It is enabled, and inspect shows what is wrong with its file.
      if case .refused = error { return }
      throw error.winsockError
    }
  }

  func order(_ fields: inout FieldReader, _ connection: Connection) throws(WinsockError) {
    guard connection.isOperator else { throw .noRecovery }
    guard let count = fields.uint32(), fields.uint32() != nil else { throw .invalidArgument }
    var ids: [GUID] = []
    for _ in 0..<count {
      guard let id = Self.id(&fields) else { throw .invalidArgument }
      ids.append(id)
    }
    do throws(ProviderHost.ChangeFailure) { try host.order(ids) } catch { throw error.winsockError }
  }

  /// Answers at once, or twice: that it waits for a change, and that there was one.
  /// - Returns: Whether the answer is there now.
  func catalogChange(
    _ payload: UnsafeMutableRawBufferPointer, _ header: FrameHeader, _ connection: Connection
  ) throws(WinsockError) -> Bool {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let waits = fields.uint32(), fields.uint32() != nil else { throw .invalidArgument }
    if waits == 0 { return true }
    guard connection.beginsToWait() else { throw .alreadyInProgress }
    // From before it is told that it waits.
    let seen = host.catalog.changes.count
    connection.send(failure(RequestKind.catalogChange.answer, header, .ioPending))
    host.catalog.changes.whenNext(
      after: seen,
      isWanted: { [weak connection] in connection != nil },
      { [weak connection] in
        guard let connection else { return }
        connection.hasWaited()
        connection.send(failure(RequestKind.catalogChange.answer, header, .success))
      })
    return false
  }

  static func id(_ fields: inout FieldReader) -> GUID? {
    fields.bytes(16)?.loadUnaligned(as: GUID.self)
  }

  static func text(_ fields: inout FieldReader, _ units: UInt32) -> String? {
    guard units < UInt32(SelfRelative.maximumText), let bytes = fields.bytes(Int(units) * 2) else { return nil }
    let text = (0..<Int(units)).map { bytes.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self) }
    return text.contains(0) ? nil : String(validating: text, as: UTF16.self)
  }
}

extension ProviderHost.ChangeFailure {
  /// What clients are told (nsp.md §8.8).
  var winsockError: WinsockError {
    switch self {
    case .notInstalled, .invalid, .noFile: .invalidArgument
    case .alreadyInstalled: .noRecovery
    case .notRemovable: .accessDenied
    case .busy: .tryAgain
    case .refused: .providerFailedInit
    case .notKept: .systemCallFailure
    }
  }
}
