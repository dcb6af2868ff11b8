import Glibc
import HostDaemon
import NSPClient
import QuerySets
import Wire

/// A host that runs elsewhere on the machine, over its socket.
final class RunningHost {
  private let socket: HostSocket
  private var nextRequest: UInt32 = 1
  private var hasSaidHello = false

  /// Nil when nobody listens there.
  /// - Parameter path: The path that was named, or nil: where a client looks.
  init?(_ path: String?) {
    guard let socket = HostSocket(path) else { return nil }
    self.socket = socket
  }

  var path: String { socket.path }

  deinit {
    // Says goodbye: providers clean up, where a connection that is merely gone has them run down.
    var goodbye = FrameWriter(RequestKind.goodbye.rawValue, request: number())
    _ = socket.send(goodbye.finish())
  }

  /// Has the host perform a command line.
  func ask(_ words: [String]) throws -> ControlAnswer {
    let what = words.first ?? "nsphost"
    if !hasSaidHello { try sayHello(what) }
    var request = FrameWriter(RequestKind.control.rawValue, request: number())
    request.append(UInt32(0))
    request.append(UInt32(0))
    for word in words { request.append(Array(word.utf8) + [0]) }
    let (status, payload) = try exchange(request.finish(), what, isControl: true)
    return try payload.withUnsafeBytes { bytes in
      var fields = FieldReader(bytes)
      guard let outputs = fields.uint32(), let errors = fields.uint32(), let output = fields.bytes(Int(outputs)),
        let error = fields.bytes(Int(errors))
      else { throw failure(what, "its answer can't be read", "see that both are of one version") }
      return ControlAnswer(
        status: status, output: String(decoding: output, as: UTF8.self), errors: String(decoding: error, as: UTF8.self))
    }
  }

  /// Why a hello was refused.
  private static func refusal(_ payload: [UInt8]) -> HelloRefusal? {
    payload.withUnsafeBytes { bytes in
      var fields = FieldReader(bytes)
      return fields.uint32().flatMap(HelloRefusal.init)
    }
  }

  private func sayHello(_ what: String) throws {
    var hello = FrameWriter.hello(request: number())
    _ = try exchange(hello.finish(), what)
    hasSaidHello = true
  }

  private func number() -> UInt32 {
    defer { nextRequest += 1 }
    return nextRequest
  }

  private func failure(_ what: String, _ why: String, _ remedy: String) -> CommandFailure {
    CommandFailure(
      kind: .unreachable, what: what, why: "the running host: " + why, remedy: remedy + ", or use --local",
      isJSON: CommandWords.ofProcess.wantsJSON)
  }

  private func exchange(_ frame: [UInt8], _ what: String, isControl: Bool = false) throws -> (Int32, [UInt8]) {
    // A host that has closed already may have said why.
    guard socket.send(frame) || errno == EPIPE else {
      throw failure(what, String(cString: strerror(errno)), "see whether it still runs")
    }
    guard let answer = socket.receive(maximum: 1 << 30) else {
      throw failure(what, "it has closed the connection", "see whether it still runs")
    }
    guard answer.status == .success || isControl && !answer.payload.isEmpty else {
      if answer.kind == RequestKind.hello.answer, Self.refusal(answer.payload) == .processIsInvisible {
        throw CommandFailure(
          kind: .notPermitted, error: answer.status, what: what,
          why: "the running host is in a pid namespace of its own, where this process has no process id",
          remedy: "run the command in that pid namespace (nsenter --pid), start the host outside of it, or use --local",
          isJSON: false)
      }
      let error = answer.status
      throw CommandFailure(
        kind: error == .accessDenied ? .notPermitted : .failed, error: error, what: what, why: "the running host refused",
        remedy: error == .noBuffers
          ? "end other programs of this user that use it, or raise its limits" : "see who may ask it, or use --local",
        isJSON: CommandWords.ofProcess.wantsJSON)
    }
    return (answer.status.rawValue, answer.payload)
  }
}
