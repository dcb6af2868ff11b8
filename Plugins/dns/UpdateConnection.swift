import Glibc
import QuerySets

/// A message to a server and its answer, by TCP: whatever their size, and from nobody who only guesses.
enum UpdateConnection {
  /// For all of it.
  private static let patience: Duration = .seconds(5)

  static func exchange(_ message: [UInt8], with server: SocketAddress) throws(UpdateFailure) -> [UInt8] {
    let deadline = ContinuousClock.now + patience
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let socket = Glibc.socket(server.family ?? AF_INET, type, 0)
    guard socket >= 0 else { throw failure(errno) }
    defer { close(socket) }
    let status = server.bytes.withUnsafeBytes { bytes in
      connect(socket, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
    }
    if status != 0, errno != EINPROGRESS { throw failure(errno) }
    try wait(socket, POLLOUT, until: deadline)
    var (code, length) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
    guard getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &length) == 0, code == 0 else { throw failure(code) }

    try send([UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message, to: socket, until: deadline)
    let size = try receive(2, from: socket, until: deadline)
    return try receive(Int(size[0]) << 8 | Int(size[1]), from: socket, until: deadline)
  }

  private static func failure(_ code: Int32) -> UpdateFailure { .unreachable(String(cString: strerror(code))) }

  private static func wait(_ socket: Int32, _ event: Int32, until deadline: ContinuousClock.Instant) throws(UpdateFailure) {
    while true {
      let left = ContinuousClock.now.duration(to: deadline)
      guard left > .zero else { throw failure(ETIMEDOUT) }
      var waiting = pollfd(fd: socket, events: Int16(event), revents: 0)
      if poll(&waiting, 1, Int32(left / .milliseconds(1)) + 1) > 0 { return }
    }
  }

  private static func send(
    _ bytes: [UInt8], to socket: Int32, until deadline: ContinuousClock.Instant
  ) throws(UpdateFailure) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let sent = rest.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      if sent > 0 {
        rest = rest.dropFirst(sent)
      } else {
        guard errno == EAGAIN || errno == EINTR else { throw failure(errno) }
        try wait(socket, POLLOUT, until: deadline)
      }
    }
  }

  private static func receive(
    _ count: Int, from socket: Int32, until deadline: ContinuousClock.Instant
  ) throws(UpdateFailure) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      var code: Int32 = 0
      let part = [UInt8](unsafeUninitializedCapacity: count - bytes.count) { buffer, filled in
        let got = recv(socket, buffer.baseAddress, buffer.count, 0)
        code = got > 0 ? 0 : got == 0 ? ECONNRESET : errno
        filled = max(0, got)
      }
      bytes += part
      guard code != 0 else { continue }
      guard code == EAGAIN || code == EINTR else { throw failure(code) }
      try wait(socket, POLLIN, until: deadline)
    }
    return bytes
  }
}
