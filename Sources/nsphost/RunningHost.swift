import Glibc
import HostDaemon
import QuerySets
import Wire

/// A host that runs elsewhere on the machine, over its socket.
final class RunningHost {
  private let descriptor: Int32
  private var nextRequest: UInt32 = 1
  private var hasSaidHello = false

  /// Nil when nobody listens there.
  init?(_ path: String) {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = path.utf8.count < MemoryLayout.size(ofValue: address.sun_path)
    if fits { withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) } }
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
    guard fits, connected == 0 else {
      close(descriptor)
      return nil
    }
  }

  deinit {
    // Says goodbye: providers clean up, where a connection that is merely gone has them run down.
    var goodbye = FrameWriter(RequestKind.goodbye.rawValue, request: number())
    let frame = goodbye.finish()
    send(descriptor, frame, frame.count, Int32(MSG_NOSIGNAL))
    close(descriptor)
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

  private func sayHello(_ what: String) throws {
    var hello = FrameWriter(RequestKind.hello.rawValue, request: number())
    hello.append(WireVersion.magic)
    hello.append(WireVersion.major)
    hello.append(WireVersion.minor)
    hello.append(WireVersion.defaultMaximumFrame)
    hello.append(UInt32(0))
    _ = try exchange(hello.finish(), what)
    hasSaidHello = true
  }

  private func number() -> UInt32 {
    defer { nextRequest += 1 }
    return nextRequest
  }

  private func failure(_ what: String, _ why: String, _ remedy: String) -> CommandFailure {
    CommandFailure(
      kind: .unreachable, what: what, why: "the running host: " + why, remedy: remedy + ", or use --local", isJSON: false)
  }

  private func exchange(_ frame: [UInt8], _ what: String, isControl: Bool = false) throws -> (Int32, [UInt8]) {
    // A host that has closed already may have said why.
    let isSent = frame.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } == frame.count
    guard isSent || errno == EPIPE else { throw failure(what, String(cString: strerror(errno)), "see whether it still runs") }
    guard let head = receive(FrameHeader.size), let header = head.withUnsafeBytes({ FrameHeader($0) }),
      header.isAcceptable(maximum: 1 << 30), let payload = receive(Int(header.length) - FrameHeader.size)
    else { throw failure(what, "it has closed the connection", "see whether it still runs") }
    guard header.status == 0 || isControl && !payload.isEmpty else {
      let error = WinsockError(rawValue: header.status)
      throw CommandFailure(
        kind: error == .accessDenied ? .notPermitted : .failed, error: error, what: what, why: "the running host refused",
        remedy: error == .noBuffers
          ? "end other programs of this user that use it, or raise its limits" : "see who may ask it, or use --local",
        isJSON: false)
    }
    return (header.status, payload)
  }

  private func receive(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var have = 0
    while have < count {
      let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + have, count - have, 0) }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { return nil }
      have += got
    }
    return bytes
  }
}
