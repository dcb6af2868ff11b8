import CWinsock
import Hosting
import QuerySets
import Sessions
import Synchronization
import Wire
import WireValues

/// Service classes, and the control of lookups.
extension Requests {
  func installClass(_ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession) throws(WinsockError) {
    // Before anything of it is read.
    guard host.engine.classes.mayWrite(session.identity) else { throw .accessDenied }
    let new = try ServiceClass(onTheWire: payload)
    if let failure = try host.engine.classes.install(new, for: session.identity).installation { throw failure }
  }

  func removeClass(_ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession) throws(WinsockError) {
    guard let request = ClassRequest(UnsafeRawBufferPointer(payload)) else { throw .invalidArgument }
    if let failure = try host.engine.removeClass(session, request.id.value(as: GUID.self)).removal { throw failure }
  }

  func classInfo(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ answer: inout FrameWriter
  ) throws(WinsockError) {
    guard let request = ClassInfoRequest(UnsafeRawBufferPointer(payload)) else { throw .invalidArgument }
    let known = try host.engine.classes.serviceClass(
      request.id.value(as: GUID.self), at: request.provider.value(as: GUID.self), for: session.identity)
    do throws(QuerySetError) { try answer.append(known) } catch { throw error.winsockError }
  }

  func className(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ answer: inout FrameWriter
  ) throws(WinsockError) {
    guard let request = ClassNameRequest(UnsafeRawBufferPointer(payload)) else { throw .invalidArgument }
    let name = Array(try host.engine.classes.name(of: request.id.value(as: GUID.self), for: session.identity).utf16)
    ClassNameAnswer(units: UInt32(name.count)).write(to: &answer)
    for unit in name { answer.append(unit) }
  }

  /// A request that waits is answered twice: that it is pending, and what it came to. Then false: its answers are sent here.
  func ioctl(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ header: FrameHeader, _ connection: Connection,
    _ answer: inout FrameWriter, _ met: inout HostLimit?
  ) throws(WinsockError) -> Bool {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let request = IoctlRequest(&fields) else { throw .invalidArgument }
    let lookup = try open(request.handle, session)
    guard let input = fields.bytes(Int(request.inputSize)), request.outputSize <= limits.maximumFrame / 2 else {
      throw .invalidArgument
    }
    let outcome: Lookup.Control
    do throws(WinsockError) {
      outcome = try lookup.control(
        request.code, input: Array(input), outputSize: Int(request.outputSize), waits: request.waits != 0)
    } catch {
      if error == .noBuffers, lookup.wasTooLarge { met = .bytesPerUser }
      throw error
    }
    switch outcome {
    case .done(let output):
      IoctlAnswer(size: UInt32(output.count)).write(to: &answer)
      answer.append(output)
      return true
    case .pending(let notice):
      // Sent now: what it comes to is behind it, however soon that is.
      var first = FrameWriter(RequestKind.ioctl.answer, request: header.request, status: WinsockError.ioPending.rawValue)
      IoctlAnswer(size: 0, isToldOfAll: notice.isToldOfAll).write(to: &first)
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
