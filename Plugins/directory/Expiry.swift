import Dispatch
import Glibc
import Synchronization

/// Has something done when a moment has come, by the clock of the day: at the earliest of those that were asked for.
final class Expiry: Sendable {
  private struct State: Sendable {
    var moment: Int64?
    nonisolated(unsafe) var timer: (any DispatchSourceTimer)?
  }

  private let state = Mutex<State>(State())

  deinit { state.withLock { $0.timer }?.cancel() }

  /// - Parameters:
  ///   - moment: In milliseconds since 1970.
  ///   - action: On a thread of its own. It stands for all that were asked for until then.
  func wait(until moment: Int64, _ action: @escaping @Sendable () -> Void) {
    state.withLock { state in
      if let known = state.moment, known <= moment { return }
      state.moment = moment
      state.timer?.cancel()
      let timer = DispatchSource.makeTimerSource(queue: .global(qos: .utility))
      state.timer = timer
      timer.setEventHandler { [weak self] in
        guard let self, isDue(moment) else { return }
        action()
      }
      timer.schedule(wallDeadline: Self.time(moment))
      timer.resume()
    }
  }

  /// True once.
  private func isDue(_ moment: Int64) -> Bool {
    state.withLock { state in
      guard state.moment == moment else { return false }
      state.timer?.cancel()
      (state.moment, state.timer) = (nil, nil)
      return true
    }
  }

  private static func time(_ moment: Int64) -> DispatchWallTime {
    DispatchWallTime(timespec: timespec(tv_sec: Int(moment / 1000), tv_nsec: Int(moment % 1000) * 1_000_000))
  }
}
