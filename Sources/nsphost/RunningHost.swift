import Glibc
import HostDaemon
import NSPClient
import QuerySets
import Wire

/// A host that runs elsewhere on the machine, over its socket.
final class RunningHost {
  private let socket: HostSocket
  private let silence: Duration
  private var nextRequest: UInt32 = 1
  private var hasSaidHello = false
  private var hasLeft = false

  /// Nil when nobody listens there.
  /// - Parameters:
  ///   - path: The path that was named, or nil: where a client looks.
  ///   - silence: How long the host may give no sign of life.
  init?(_ path: String?, silence: Duration) throws {
    do throws(HostSocket.Failure) { socket = try HostSocket(path, silence: silence) } catch {
      guard error == .silent else { return nil }
      throw Self.silent(CommandWords.ofProcess.name, silence, " and takes no connection")
    }
    self.silence = silence
  }

  var path: String { socket.path }

  deinit { leave() }

  /// Says goodbye: providers clean up, where a connection that is merely gone has them run down. A `watch` on another thread ends with it.
  func leave() {
    if hasLeft { return }
    hasLeft = true
    var goodbye = FrameWriter(RequestKind.goodbye.rawValue, request: number())
    _ = socket.send(goodbye.finish())
  }

  /// Has the host answer. Throws what it says of a request that can't be done, as a host of this process's own would.
  func ask<Request: ControlRequest>(_ request: Request) throws -> Request.Answer {
    try answer(to: request, try exchange(try frame(request, watches: false), Request.name).payload)
  }

  /// Has the host answer now, and again whenever the answer is another. Returns only by what it throws.
  func watch<Request: WatchedRequest>(_ request: Request, _ tell: (Request.Answer) throws -> Void) throws -> Never {
    var told = try exchange(try frame(request, watches: true), Request.name)
    while true {
      try tell(try answer(to: request, told.payload))
      told = try receive(Request.name)
    }
  }

  private func frame<Request: ControlRequest>(_ request: Request, watches: Bool) throws -> [UInt8] {
    if !hasSaidHello { try sayHello(Request.name) }
    let name = Array(Request.name.utf8)
    var frame = AskRequest(nameSize: UInt32(name.count), watches: watches ? 1 : 0).frame(request: number())
    frame.append(name)
    frame.append(try ControlCoding.bytes(request))
    return frame.finish()
  }

  private func answer<Request: ControlRequest>(to request: Request, _ payload: [UInt8]) throws -> Request.Answer {
    let read: (isFailure: Bool, body: [UInt8])? = payload.withUnsafeBytes { bytes in
      var fields = FieldReader(bytes)
      return AskAnswer(&fields).map { ($0.isFailure != 0, Array(fields.rest)) }
    }
    if let read, read.isFailure, let failure = try? ControlCoding.value(CommandFailure.self, read.body) { throw failure }
    guard let read, !read.isFailure, let answer = try? ControlCoding.value(Request.Answer.self, read.body) else {
      throw failure(Request.name, "its answer can't be read", "see that both are of one version")
    }
    return answer
  }

  /// Why a hello was refused.
  private static func refusal(_ payload: [UInt8]) -> HelloRefusal? {
    payload.withUnsafeBytes { HelloRefusalAnswer($0) }.flatMap { HelloRefusal(rawValue: $0.reason) }
  }

  private func sayHello(_ what: String) throws {
    var hello = HelloRequest(session: 0).frame(request: number())
    try exchange(hello.finish(), what)
    hasSaidHello = true
  }

  private func number() -> UInt32 {
    defer { nextRequest += 1 }
    return nextRequest
  }

  private func failure(_ what: String, _ why: String, _ remedy: String) -> CommandFailure {
    CommandFailure(
      kind: .unreachable, what: what, why: "the running host: " + why, remedy: remedy + ", or use --local")
  }

  static func silent(_ what: String, _ silence: Duration, _ more: String = "") -> CommandFailure {
    CommandFailure(
      kind: .unreachable, error: .timedOut, what: what,
      why: "the running host has given no sign of life for \(silence.inSeconds)\(more)",
      remedy:
        "see whether it is stopped (ps: state T) or the machine overloaded; --timeout SECONDS waits longer, --local does without it"
    )
  }

  @discardableResult
  private func exchange(_ frame: [UInt8], _ what: String) throws -> HostSocket.Answer {
    // A host that has closed already may have said why.
    guard socket.send(frame) || errno == EPIPE else {
      throw failure(what, String(cString: strerror(errno)), "see whether it still runs")
    }
    return try receive(what)
  }

  private func receive(_ what: String) throws -> HostSocket.Answer {
    let answer: HostSocket.Answer
    do throws(HostSocket.Failure) { answer = try socket.receive(maximum: 1 << 30) } catch {
      if error == .silent { throw Self.silent(what, silence) }
      throw failure(what, "it has closed the connection", "see whether it still runs")
    }
    let met = answer.status == .noBuffers ? answer.payload.withUnsafeBytes { MetLimit($0) } : nil
    if let met { throw met.failure(what) }
    // One of several answers, or the only one.
    guard answer.status == .success || answer.status == .ioPending else {
      if answer.kind == RequestKind.hello.answer, Self.refusal(answer.payload) == .processIsInvisible {
        throw CommandFailure(
          kind: .notPermitted, error: answer.status, what: what,
          why: "the running host is in a pid namespace of its own, where this process has no process id",
          remedy: "run the command in that pid namespace (nsenter --pid), start the host outside of it, or use --local")
      }
      if answer.status == .operationNotSupported {
        throw failure(
          what, "it is older than this command, and has no answer to \"\(what)\"", "end it, and start the one of this version")
      }
      let error = answer.status
      throw CommandFailure(
        kind: error == .accessDenied ? .notPermitted : .failed, error: error, what: what, why: "the running host refused",
        remedy: error == .noBuffers ? "see nsphost stats, as root" : "see who may ask it, or use --local")
    }
    return answer
  }
}

extension Duration {
  /// For people: `5 s`, `0.5 s`.
  fileprivate var inSeconds: String {
    let seconds = Double(components.seconds) + Double(components.attoseconds) / 1e18
    return seconds == seconds.rounded() ? "\(Int(seconds)) s" : "\(seconds) s"
  }
}

extension MetLimit {
  /// What a command says that was refused by it.
  fileprivate func failure(_ what: String) -> CommandFailure {
    let remedy =
      switch limit {
      case .descriptors: "raise LimitNOFILE of the host's unit; nsphost sessions, as root, shows who has what"
      case .helloTime: "see what keeps this program from the host"
      case .connections: "end programs that use the host, or raise \(limit.key); nsphost sessions, as root, shows who has what"
      case .frameBytes, .bytesQueued: "ask for less at a time, or raise \(limit.key)"
      default: "end programs of user \(user.map(String.init) ?? "") that use the host, or raise \(limit.key)"
      }
    return CommandFailure(
      kind: .failed, error: .noBuffers, what: what, why: "the running host refused: \(text) is met", remedy: remedy)
  }
}
