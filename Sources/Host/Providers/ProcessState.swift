import CLastWords
import CProcessState
import Glibc
import QuerySets
import Rundown
import Synchronization

/// What belongs to the whole process: working directory, umask, locale, dispositions of signals, and the host's threads. A provider in the host's process that
/// changes it changes it for every other one, and for the host.
///
/// Where somebody watches it, it is looked at after every function of a file, after every startup and final call of a session, and at most once a
/// second while routines run; what is different is set back. There is no timer: where nothing is called, nothing is looked at.
public enum ProcessState {
  /// - Parameters:
  ///   - providers: Those that were called since the last look; one of them did it.
  ///   - changes: What was different, for people.
  public typealias Report = @Sendable (_ providers: [String], _ changes: String) -> Void

  private struct State {
    var report: Report?
    var called: Set<String> = []
  }

  private static let state = Locked<State>(State())
  private static let isWatched = Atomic<Bool>(false)
  /// Advanced by every look: a provider that was called since is known by it.
  private static let look = Atomic<UInt64>(1)
  /// When a routine that returns looks again.
  private static let due = Atomic<Int64>(0)
  private static let pause: Int64 = 1_000_000_000

  /// From now on it is to stay as it is. For programs that are a host and nothing else.
  /// - Parameter report: Called without a lock, on the thread that has looked.
  public static func watch(_ report: @escaping Report) {
    state.withLock { state in
      state.report = report
      nsp_process_state_keep()
    }
    isWatched.store(true, ordering: .releasing)
  }

  /// The host itself has changed it.
  public static func keepAgain() {
    guard isWatched.load(ordering: .acquiring) else { return }
    state.withLock { _ in nsp_process_state_keep() }
  }

  /// Calls a function of a provider's file, and looks before and after it. Calls out.
  static func guarding<Result>(_ provider: UnsafePointer<CChar>?, _ call: () -> Result) -> Result {
    guard isWatched.load(ordering: .acquiring) else { return call() }
    check()
    let result = call()
    if let provider { note(String(cString: provider)) }
    check()
    return result
  }

  /// A routine of a provider in this process is called, or has returned.
  /// - Parameter last: When the provider was noted last.
  static func called(_ name: String, _ last: borrowing Atomic<UInt64>) {
    let now = look.load(ordering: .relaxed)
    if last.exchange(now, ordering: .relaxed) != now { note(name) }
  }

  static var watches: Bool { isWatched.load(ordering: .relaxed) }

  /// A routine has returned.
  /// - Parameter isFinal: It is looked at whenever it was looked at last.
  static func returned(at time: MonotonicTime, isFinal: Bool) {
    if isFinal || time.nanoseconds >= due.load(ordering: .relaxed) { check() }
  }

  private static func note(_ provider: String) { state.withLock { _ = $0.called.insert(provider) } }

  /// Nothing has returned for some time, and somebody waits: perhaps the thread that somebody waits for is gone. Ends the process then.
  public static func lookAtThreads() {
    if watches { nsp_last_words_of_threads() }
  }

  private static func check() {
    nsp_last_words_of_threads()
    due.store(MonotonicTime.coarse.nanoseconds + pause, ordering: .relaxed)
    let (changes, called, report): (String?, [String], Report?) = state.withLock { state in
      look.add(1, ordering: .relaxed)
      let changes = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { text in
        nsp_process_state_restore(text.baseAddress, text.count) != 0 ? String(cString: text.baseAddress!).printable : nil
      }
      defer { state.called = [] }
      return (changes, state.called.sorted(), state.report)
    }
    if let changes { report?(called, changes) }
  }
}
