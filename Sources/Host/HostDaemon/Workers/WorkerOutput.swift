import CLinux
import Glibc
import Hosting
import Providers
import Rundown

/// What the workers write to their standard output and error, all of them to one pipe: it is read whether or not somebody reads the host's log,
/// and goes there line by line. A worker that writes waits for nobody else.
final class WorkerOutput: Polled, @unchecked Sendable {
  // Unchecked: `place` and `poll` are written before it is watched.
  /// The end that workers are given.
  let input: Int32
  private let take: @Sendable ([UInt8]) -> Void
  private var place = Handle(rawValue: 0)
  private weak var poll: SocketPoll?
  /// The start of a line, of which the rest has not come yet.
  private let rest = Locked<[UInt8]>([])

  private static let longestLine = 1 << 13

  /// Nil where the log takes no lines of others: then they are written where the host's own go.
  init?() {
    guard let take = HostLog.raw else { return nil }
    var ends: [Int32] = [-1, -1]
    guard nsp_pipe(&ends) == 0 else { return nil }
    self.take = take
    input = ends[1]
    super.init(ends[0], of: .init(user: .max, process: 1))
  }

  deinit { close(input) }

  func start(_ poll: SocketPoll) {
    self.poll = poll
    guard let place = poll.place(self) else { return }
    self.place = place
    _ = poll.watch(place, descriptor)
  }

  /// The workers have ended: what they have said last goes out, too.
  func stop(_ poll: SocketPoll) {
    while read() {}
    poll.remove(place, descriptor)
    let rest = rest.withLock { $0 }
    if !rest.isEmpty { take(rest + [UInt8(ascii: "\n")]) }
  }

  /// One that writes all the time leaves the others their turns.
  override func ready() { if read() { poll?.again(self) } }

  /// Whether there may be more.
  private func read() -> Bool {
    let (lines, isMore): ([UInt8], Bool) = rest.withLock { rest in
      let count = withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { chunk in
        let count = Glibc.read(descriptor, chunk.baseAddress, chunk.count)
        if count > 0 { rest.append(contentsOf: chunk[..<count]) }
        return count
      }
      guard count > 0 else { return ([], count < 0 && errno == EINTR) }
      let end = rest.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
      var lines = Array(rest[..<end])
      rest.removeFirst(end)
      if rest.count > Self.longestLine {
        lines += rest + [UInt8(ascii: "\n")]
        rest = []
      }
      return (lines, true)
    }
    if !lines.isEmpty { take(lines) }
    return isMore
  }
}
