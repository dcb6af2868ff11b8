import Glibc
import Testing

@testable import Rundown

@Suite struct OwnThreadTests {
  @Test("all signals are blocked on it but its own faults, and the thread that starts it keeps its mask")
  func signals() {
    let before = blockedSignals()
    let blocked = Monitor<Set<Int32>?>(nil)
    let isStarted = OwnThread.start {
      blocked.withLock { $0 = blockedSignals() }
      blocked.signal()
    }
    guard isStarted else { return #expect(isStarted) }
    let found: Set<Int32> = blocked.wait { blocked in blocked.map { .over($0) } ?? .sleep }
    let faults = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS]
    // The system lets nobody block the first two.
    #expect(found == Set(1..<32).subtracting([SIGKILL, SIGSTOP] + faults))
    #expect(blockedSignals() == before)
  }

  @Test("what it runs is let go of when it has run")
  func ends() {
    final class Flag: Sendable {
      let whenGone: @Sendable () -> Void
      init(_ whenGone: @escaping @Sendable () -> Void) { self.whenGone = whenGone }
      deinit { whenGone() }
    }
    let isGone = Monitor(false)
    func start(_ flag: Flag) -> Bool { OwnThread.start { _ = flag } }
    let isStarted = start(
      Flag {
        isGone.withLock { $0 = true }
        isGone.signal()
      })
    #expect(isStarted)
    // No deadline: a test that hangs fails.
    isGone.wait { $0 ? .over(()) : .sleep }
  }
}

/// The signals of POSIX that are blocked on this thread.
private func blockedSignals() -> Set<Int32> {
  var mask = sigset_t()
  pthread_sigmask(SIG_BLOCK, nil, &mask)
  return Set((1..<32).filter { sigismember(&mask, $0) == 1 })
}
