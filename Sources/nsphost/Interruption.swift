import Dispatch
import Glibc
import Sessions
import Synchronization

/// Signals, as something to wait for: each is taken from its default effect.
final class Signals {
  private let arrived = DispatchSemaphore(value: 0)
  private let received = Received()
  private var sources: [any DispatchSourceSignal] = []

  private final class Received: Sendable {
    let numbers = Mutex<[Int32]>([])
  }

  init(_ numbers: [Int32]) {
    for number in numbers {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [arrived, received] in
        received.numbers.withLock { $0.append(number) }
        arrived.signal()
      }
      source.resume()
      sources.append(source)
    }
  }

  /// The next one that comes; nil when the time is over first. Without a time for ever: a server waits for nothing else.
  func wait(for span: Duration? = nil) -> Int32? {
    guard arrived.wait(timeout: span.map { .now() + $0.dispatchInterval } ?? .distantFuture) == .success else { return nil }
    return received.numbers.withLock { $0.removeFirst() }
  }
}

/// Ctrl-C and a polite kill, as something to wait for: the command then ends in order.
final class Interruption: @unchecked Sendable {
  // Unchecked: `sources` is written in `init` alone.
  private let arrived = DispatchSemaphore(value: 0)
  private var sources: [any DispatchSourceSignal] = []

  init() {
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [arrived] in arrived.signal() }
      source.resume()
      sources.append(source)
    }
  }

  /// Until it has come. No deadline: for what stays until somebody ends it.
  func wait() { arrived.wait() }

  /// As if it had come.
  func end() { arrived.signal() }

  /// True once it has come.
  func wait(milliseconds: Int) -> Bool { arrived.wait(timeout: .now() + .milliseconds(milliseconds)) == .success }
}
