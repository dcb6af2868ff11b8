import CLinux
import Dispatch
import Glibc
import Providers
import Rundown
import Synchronization

/// Signals of a host, as something to wait for: each is taken from its default effect. One of these in a process.
struct Signals {
  init(_ numbers: [Int32]) {
    nsp_take_signals(numbers, UInt32(numbers.count))
    // Their dispositions are the host's own from here on.
    ProcessState.keepAgain()
  }

  /// The next one that comes; nil when the time is over first. Without a time for ever: a server waits for nothing else.
  func wait(for span: Duration? = nil) -> Int32? {
    let milliseconds = span.map { Int64($0 / .milliseconds(1)) } ?? -1
    let number = nsp_next_signal(milliseconds)
    return number == 0 ? nil : number
  }
}

/// Ctrl-C and a polite kill, as something to wait for: the command then ends in order.
final class Interruption: @unchecked Sendable {
  // Unchecked: `sources` is written in `init` alone.
  private let arrived = DispatchSemaphore(value: 0)
  private let failure = Locked<(any Error)?>(nil)
  private var sources: [any DispatchSourceSignal] = []

  init() {
    let registered = DispatchGroup()
    sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [arrived] in arrived.signal() }
      registered.enter()
      source.setRegistrationHandler { registered.leave() }
      source.resume()
      return source
    }
    // No deadline: Dispatch registers each. It gives the signals dispositions of its own then, which are the host's.
    registered.wait()
    ProcessState.keepAgain()
  }

  /// Waits for it, or for `end`, and throws what that was given. No deadline: for what stays until somebody ends it.
  func wait() throws {
    arrived.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Ends the wait without a signal.
  func end(_ error: (any Error)? = nil) {
    failure.withLock { $0 = error }
    arrived.signal()
  }
}
