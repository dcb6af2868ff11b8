import Glibc
import Rundown

/// Has something done when a moment has come, by the clock of the day: at the earliest of those that were asked for. A thread waits for it, while
/// there is one. Not a timer of libdispatch, which would wake the process each second.
final class Expiry: Sendable {
  private struct State: Sendable {
    var next: (moment: Int64, action: @Sendable () -> Void)?
    var hasThread = false
  }

  private let state = Monitor(State(), clock: CLOCK_REALTIME)

  deinit {
    state.withLock { $0.next = nil }
    state.signal()
  }

  /// - Parameters:
  ///   - moment: In milliseconds since 1970.
  ///   - action: On a thread of its own. It stands for all that were asked for until then.
  func wait(until moment: Int64, _ action: @escaping @Sendable () -> Void) {
    let startsThread = state.withLock { state in
      if let next = state.next, next.moment <= moment { return false }
      state.next = (moment, action)
      defer { state.hasThread = true }
      return !state.hasThread
    }
    state.signal()
    guard startsThread, !OwnThread.start({ [state] in while let action = Self.due(state) { action() } }) else { return }
    // The next one that is asked for tries again.
    state.withLock { $0.hasThread = false }
  }

  /// Waits for the next moment; nil, and the thread ends, where there is none. `wait` and `deinit` wake it.
  private static func due(_ state: Monitor<State>) -> (@Sendable () -> Void)? {
    state.wait { state in
      guard let (moment, action) = state.next else {
        state.hasThread = false
        return .over(nil)
      }
      guard moment <= Store.now else { return .sleepUntil(.milliseconds(moment)) }
      state.next = nil
      return .over(action)
    }
  }
}
