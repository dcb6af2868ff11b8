import CHostSocket
import Glibc
import QuerySets
import Synchronization
import Wire

/// A connected socket, closed with its last user: its number is never another file's while somebody may still send or receive.
package final class HostSocket: Sendable {
  /// An answer, with the number of its request.
  package struct Answer: Sendable {
    package var kind: UInt16
    package var request: UInt32
    package var status: WinsockError
    package var payload: [UInt8]
  }

  /// Where the host listens.
  package let path: String
  private let descriptor: Int32
  /// One sender at a time, so that frames never mix. Held while sending: those behind would wait for the socket anyway.
  private let writers = Mutex<Void>(())

  /// Connects where `HostPlaces` says. Nil where nobody listens.
  /// - Parameter given: The path, where there is one that was named (`--socket`).
  package init?(_ given: String?) {
    let found: (Int32, String)? = HostPlaces.with(given) { places in
      var path: UnsafePointer<CChar>?
      let descriptor = nsp_host_connect_to(places, NSP_HOST_NO_END, &path)
      guard descriptor >= 0, let path else { return nil }
      return (descriptor, String(cString: path))
    }
    guard let found else { return nil }
    (descriptor, path) = found
  }

  deinit { close(descriptor) }

  func shut(_ how: Int) { shutdown(descriptor, Int32(how)) }

  /// A whole frame; false when the connection is broken.
  package func send(_ bytes: [UInt8]) -> Bool {
    writers.withLock { _ in
      var sent = 0
      while sent < bytes.count {
        let count = bytes.withUnsafeBytes {
          Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        sent += count
      }
      return true
    }
  }

  /// The next answer; nil when the connection is broken, or when it is longer than `maximum` bytes.
  package func receive(maximum: UInt32 = 1 << 26) -> Answer? {
    guard let head = bytes(FrameHeader.size), let header = head.withUnsafeBytes({ FrameHeader($0) }),
      header.isAcceptable(maximum: maximum), let payload = bytes(Int(header.length) - FrameHeader.size)
    else { return nil }
    return Answer(kind: header.kind, request: header.request, status: WinsockError(rawValue: header.status), payload: payload)
  }

  private func bytes(_ count: Int) -> [UInt8]? {
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
