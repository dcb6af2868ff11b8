import CHostSocket
import Glibc
import QuerySets
import Rundown
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
  private let writers = Locked<Void>(())

  /// How long the host may give no sign of life, in nanoseconds.
  private let silence: Int64

  /// Why there is no connection, or no answer.
  package enum Failure: Error {
    /// Nobody listens, or the host is gone, or has sent what is no frame.
    case gone
    /// The host is there, and gave no sign of life for as long as it may.
    case silent
  }

  /// How long a host may give no sign of life where nobody says another time.
  package static let usualSilence: Duration = .nanoseconds(NSP_HOST_USUAL_SILENCE)

  /// Connects where `HostPlaces` says.
  /// - Parameters:
  ///   - given: The path, where there is one that was named (`--socket`).
  ///   - silence: How long the host may give no sign of life, here and in what follows.
  package init(_ given: String?, silence: Duration) throws(Failure) {
    let (seconds, attoseconds) = silence.components
    let nanoseconds = min(seconds, 1 << 33) * 1_000_000_000 + attoseconds / 1_000_000_000
    self.silence = nanoseconds
    let found: Result<(Int32, String), Failure> = HostPlaces.with(given) { places in
      var path: UnsafePointer<CChar>?
      let descriptor = nsp_host_connect_to(places, nsp_host_after(nanoseconds), &path)
      guard descriptor >= 0, let path else { return .failure(errno == EAGAIN ? .silent : .gone) }
      return .success((descriptor, String(cString: path)))
    }
    (descriptor, path) = try found.get()
  }

  deinit { close(descriptor) }

  func shut(_ how: Int) { shutdown(descriptor, Int32(how)) }

  /// A whole frame; false when the connection is broken, or the host reads nothing for as long as it may be silent.
  package func send(_ bytes: [UInt8]) -> Bool {
    writers.withLock { _ in nsp_host_send(descriptor, bytes, bytes.count, nsp_host_after(silence)) == 0 }
  }

  /// Asks for a sign of life, an answer that `receive` passes over. Does not wait for it.
  func askForLife() { writers.withLock { _ in nsp_host_ask_for_life(descriptor) } }

  /// The next answer, by one reader at a time. While none comes the host is asked for signs of life.
  /// - Parameter maximum: How many bytes a frame may have.
  package func receive(maximum: UInt32 = 1 << 26) throws(Failure) -> Answer {
    while true {
      let answer = try next(maximum, silence)
      if answer.kind != RequestKind.nothing.answer { return answer }
    }
  }

  /// The next frame, answers to `askForLife` included, whenever it comes.
  func next() throws(Failure) -> Answer { try next(1 << 26, NSP_HOST_NO_END) }

  private func next(_ maximum: UInt32, _ silence: Int64) throws(Failure) -> Answer {
    let head = try bytes(FrameHeader.size, silence)
    guard let header = head.withUnsafeBytes({ FrameHeader($0) }), header.isAcceptable(maximum: maximum) else { throw .gone }
    let payload = try bytes(Int(header.length) - FrameHeader.size, silence)
    return Answer(kind: header.kind, request: header.request, status: WinsockError(rawValue: header.status), payload: payload)
  }

  private func bytes(_ count: Int, _ silence: Int64) throws(Failure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let got = bytes.withUnsafeMutableBytes { nsp_host_receive_while_alive(descriptor, $0.baseAddress, count, count, silence) }
    guard got == count else { throw got == Int(NSP_HOST_SILENT) ? .silent : .gone }
    return bytes
  }
}
