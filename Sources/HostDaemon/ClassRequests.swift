import CWinsock
import Lookups
import QuerySets
import Sessions
import Synchronization
import Wire

/// Service classes, and the control of lookups.
extension Requests {
  func installClass(_ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession) throws(WinsockError) {
    // Before anything of it is read.
    guard host.engine.classes.mayWrite(session.identity) else { throw .accessDenied }
    let new = try ServiceClass(onTheWire: payload)
    if let failure = try host.engine.classes.install(new, for: session.identity).installation { throw failure }
  }

  func removeClass(_ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let id = Self.id(&fields) else { throw .invalidArgument }
    if let failure = try host.engine.removeClass(session, id).removal { throw failure }
  }

  func classInfo(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ answer: inout FrameWriter
  ) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let provider = Self.id(&fields), let id = Self.id(&fields) else { throw .invalidArgument }
    let known = try host.engine.classes.serviceClass(id, at: provider, for: session.identity)
    do throws(QuerySetError) { try answer.append(known) } catch { throw error.winsockError }
  }

  func className(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ answer: inout FrameWriter
  ) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let id = Self.id(&fields) else { throw .invalidArgument }
    let name = Array(try host.engine.classes.name(of: id, for: session.identity).utf16)
    answer.append(UInt32(name.count))
    for unit in name { answer.append(unit) }
  }

  /// A request that waits is answered twice: that it is pending, and what it came to. Then false: its answers are sent here.
  func ioctl(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ header: FrameHeader, _ connection: Connection,
    _ answer: inout FrameWriter
  ) throws(WinsockError) -> Bool {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    let lookup = try open(&fields, session)
    guard let code = fields.uint32(), let waits = fields.uint32(), let outputs = fields.uint32(), let inputs = fields.uint32(),
      let input = fields.bytes(Int(inputs)), outputs <= limits.maximumFrame / 2
    else { throw .invalidArgument }
    switch try lookup.control(code, input: Array(input), outputSize: Int(outputs), waits: waits != 0) {
    case .done(let output):
      answer.append(UInt32(output.count))
      answer.append(UInt32(0))
      answer.append(output)
      return true
    case .pending(let notice):
      // Sent now: what it comes to is behind it, however soon that is.
      var first = FrameWriter(RequestKind.ioctl.answer, request: header.request, status: WinsockError.ioPending.rawValue)
      first.append(UInt32(0))
      first.append(UInt32(notice.isToldOfAll ? 1 : 0))
      connection.send(first.finish())
      notice.whenComplete { [weak connection] error in
        guard let connection else { return }
        // The change is told by whoever made it, which may be a provider's thread: nobody there waits for a client.
        connection.send(failure(RequestKind.ioctl.answer, header, error ?? .success))
      }
      return false
    }
  }
}
