import CLastWords
import Dispatch
import Glibc
import Synchronization

/// Threads of the host on which work goes on that must not run on a provider's stack, or that a client must be able to leave.
///
/// Work never waits behind other work that a provider holds up: when no thread is idle a new one is made, and idle ones end
/// after a while. All signals are blocked on them; their stacks have 1 MiB (nsp.md T6).
public enum HostThreads {
  /// How much more than usual the static thread-local storage of this process takes: it lies in the stack of every thread. To be set before
  /// the first thread is made.
  public static func makeRoom(forStaticTLS bytes: Int) { extraStack.store(bytes, ordering: .relaxed) }

  fileprivate static let extraStack = Atomic<Int>(0)

  /// Runs `work` on a thread of the host, soon.
  public static func run(_ work: @escaping @Sendable () -> Void) { pool.submit(work) }

  /// Runs `work` for each, on a thread each, and waits until all of it is done. No deadline of its own: the work has them.
  public static func runEach<Item: Sendable>(_ items: [Item], _ work: @escaping @Sendable (Item) -> Void) {
    let rest = DispatchGroup()
    for item in items {
      rest.enter()
      run {
        work(item)
        rest.leave()
      }
    }
    rest.wait()
  }

  private static let pool = ThreadPool()
}

private final class ThreadPool: @unchecked Sendable {
  // Unchecked: everything mutable is used under `lock` alone. pthread's, because idle threads wait on a condition.
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let arrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var work: [@Sendable () -> Void] = []
  private var idle = 0
  /// One of the idle threads looks for work instead of sleeping: it is not woken for the first piece that comes.
  private var isLooking = false
  /// Whether there is work, for the one that looks.
  private let hasWork = Atomic<Bool>(false)

  private static let idleSeconds = 10
  private static let stackSize = 1 << 20

  init() {
    pthread_mutex_init(lock, nil)
    pthread_cond_init(arrived, nil)
  }

  func submit(_ job: @escaping @Sendable () -> Void) {
    pthread_mutex_lock(lock)
    work.append(job)
    hasWork.store(true, ordering: .relaxed)
    let needsThread = work.count > idle
    if work.count > (isLooking ? 1 : 0) { pthread_cond_signal(arrived) }
    pthread_mutex_unlock(lock)
    // Where the system gives no thread, the work waits for one of those that are there.
    if needsThread { start() }
  }

  private func start() {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, Self.stackSize + HostThreads.extraStack.load(ordering: .relaxed))
    var (all, previous) = (sigset_t(), sigset_t())
    sigfillset(&all)
    // Those that a routine brings upon itself: blocked, they would end the process without a word.
    for number in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS] { sigdelset(&all, number) }
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    var thread = pthread_t()
    // The pool lives as long as the process; its threads only borrow it.
    pthread_create(
      &thread, &attributes,
      { context in
        Unmanaged<ThreadPool>.fromOpaque(context!).takeUnretainedValue().serve()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
    pthread_sigmask(SIG_SETMASK, &previous, nil)
    pthread_attr_destroy(&attributes)
  }

  private func serve() {
    var patience = Patience()
    let stack = nsp_last_words_stack()
    defer { nsp_last_words_stack_free(stack) }
    while let job = next(&patience) { job() }
  }

  /// Waits for work; nil when there was none for a while.
  private func next(_ patience: inout Patience) -> (@Sendable () -> Void)? {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    idle += 1
    defer { idle -= 1 }
    if work.isEmpty, !isLooking {
      isLooking = true
      pthread_mutex_unlock(lock)
      _ = patience.look { hasWork.load(ordering: .relaxed) ? 1 : 0 }
      pthread_mutex_lock(lock)
      isLooking = false
    }
    var deadline = timespec()
    clock_gettime(CLOCK_REALTIME, &deadline)
    deadline.tv_sec += Self.idleSeconds
    while work.isEmpty {
      if pthread_cond_timedwait(arrived, lock, &deadline) != 0, work.isEmpty { return nil }
    }
    defer { hasWork.store(!work.isEmpty, ordering: .relaxed) }
    return work.removeFirst()
  }
}
