import Dispatch
import Glibc
import Synchronization

/// Work of a provider's, one piece after the other, on a thread of its own, which sleeps where there is none and ends with the queue. Any thread may
/// add to it. Not libdispatch: from its first piece of work on, that wakes a process each second.
public final class WorkQueue: Sendable {
  private let line = Line()

  public init() {}

  /// What was added before is still done.
  deinit { line.end() }

  /// Has it done, behind all that was added before.
  public func async(_ work: @escaping @Sendable () -> Void) { line.add(work) }

  /// The same, and waits until it is done: not from inside the queue's own work. No deadline: what was added before has an end.
  public func sync(_ work: @escaping @Sendable () -> Void) {
    let isDone = DispatchSemaphore(value: 0)
    async {
      work()
      isDone.signal()
    }
    isDone.wait()
  }

  /// Has one piece of work done on a thread of its own.
  public static func run(_ work: @escaping @Sendable () -> Void) { WorkQueue().async(work) }

  private final class Line: @unchecked Sendable {
    // Unchecked: everything mutable is used under `lock` alone. pthread's, because the thread waits on a condition.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var work: [@Sendable () -> Void] = []
    private var hasThread = false
    private var isOver = false

    init() {
      pthread_mutex_init(lock, nil)
      pthread_cond_init(changed, nil)
    }

    deinit {
      pthread_mutex_destroy(lock)
      pthread_cond_destroy(changed)
      lock.deallocate()
      changed.deallocate()
    }

    func add(_ one: @escaping @Sendable () -> Void) {
      pthread_mutex_lock(lock)
      work.append(one)
      let startsThread = !hasThread
      hasThread = true
      pthread_cond_signal(changed)
      pthread_mutex_unlock(lock)
      if startsThread, !OwnThread.run(serve) {
        // Where the system gives no thread it is done here.
        pthread_mutex_lock(lock)
        hasThread = false
        let all = work
        work = []
        pthread_mutex_unlock(lock)
        for one in all { one() }
      }
    }

    func end() {
      pthread_mutex_lock(lock)
      isOver = true
      pthread_cond_signal(changed)
      pthread_mutex_unlock(lock)
    }

    private func serve() { while let one = next() { one() } }

    private func next() -> (@Sendable () -> Void)? {
      pthread_mutex_lock(lock)
      defer { pthread_mutex_unlock(lock) }
      // No deadline: `add` and `end` wake it.
      while work.isEmpty, !isOver { pthread_cond_wait(changed, lock) }
      return work.isEmpty ? nil : work.removeFirst()
    }
  }
}

/// A thread that nobody waits for, with all signals blocked but those that code brings upon itself.
enum OwnThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// False where the system gives none.
  static func run(_ body: @escaping @Sendable () -> Void) -> Bool {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 1 << 20)
    var (all, former) = (sigset_t(), sigset_t())
    sigfillset(&all)
    for number in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT] { sigdelset(&all, number) }
    pthread_sigmask(SIG_SETMASK, &all, &former)
    defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
    var thread = pthread_t()
    // The thread's own, which it takes at its beginning.
    let context = Unmanaged.passRetained(Body(body))
    let status = pthread_create(
      &thread, &attributes,
      { context in
        Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    if status != 0 { context.release() }
    return status == 0
  }
}
