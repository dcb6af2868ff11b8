import CWinsock
import Glibc
import Hosting
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
    EnumerateAnswer(count: UInt32(rows.count)).write(to: &answer)
    for (entry, space, isFurther) in rows {
      let name = Array(entry.manifest.displayName.utf16)
      var row = EnumeratedProvider()
      (row.id, row.nameSpace, row.version) = (WireID(entry.id), space.rawValue, entry.manifest.version)
      (row.isActive, row.nameUnits) = (entry.isActive ? 1 : 0, UInt32(name.count))
      row.blobSize = UInt32(entry.blob?.count ?? 0)
      row.traits = EnumeratedTraits.bits(servesAll: entry.manifest.nameSpace == .all, isFurther: isFurther)
      row.write(to: &answer)
      for unit in name { answer.append(unit) }
      answer.align()
      if let blob = entry.blob { answer.append(blob) }
      answer.align()
    }
  }

  func install(_ fields: inout FieldReader, _ connection: Connection) throws(WinsockError) {
    guard connection.isOperator else { throw .accessDenied }
    guard let request = InstallRequest(&fields), let name = Self.text(&fields, request.identifierUnits),
      let path = Self.text(&fields, request.pathUnits), let blob = fields.bytes(Int(request.blobSize))
    else { throw .invalidArgument }
    let installation = try Installation(
      id: request.id.value(as: GUID.self), identifier: name, path: path, nameSpace: NameSpace(rawValue: request.nameSpace),
      version: request.version, blob: request.hasBlob != 0 ? Array(blob) : nil)
    // What can't be listed in one frame can't be listed at all.
    let listed = host.catalog.entries.reduce(0) { sum, entry in
      let one = 64 + entry.manifest.displayName.utf16.count * 2 + (entry.blob?.count ?? 0)
      return sum + one * entry.manifest.nameSpaces.enumerated.count
    }
    guard listed + 64 + Int(request.identifierUnits) * 2 + blob.count <= Int(limits.maximumFrame) else { throw .notEnoughMemory }
    do throws(ProviderHost.ChangeFailure) { try host.install(installation) } catch { throw error.winsockError }
  }

  func uninstall(_ fields: inout FieldReader, _ connection: Connection) throws(WinsockError) {
    guard connection.isOperator else { throw .accessDenied }
    guard let id = UninstallRequest(&fields)?.id else { throw .invalidArgument }
    do throws(ProviderHost.ChangeFailure) { try host.uninstall(id.value(as: GUID.self)) } catch { throw error.winsockError }
  }

  func enable(_ fields: inout FieldReader, _ connection: Connection) throws(WinsockError) {
    guard connection.isOperator else { throw .accessDenied }
    guard let request = EnableRequest(&fields) else { throw .invalidArgument }
    let id = request.id.value(as: GUID.self)
    do throws(ProviderHost.ChangeFailure) {
      if request.isEnabled != 0 { try host.enable(id) } else { try host.disable(id) }
    } catch {
      // It is enabled, and inspect shows what is wrong with its file.
      if case .refused = error { return }
      throw error.winsockError
    }
  }

  func order(_ fields: inout FieldReader, _ connection: Connection) throws(WinsockError) {
    guard connection.isOperator else { throw .noRecovery }
    guard let count = OrderRequest(&fields)?.count else { throw .invalidArgument }
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
    guard let request = CatalogChangeRequest(UnsafeRawBufferPointer(payload)) else { throw .invalidArgument }
    if request.waits == 0 { return true }
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
