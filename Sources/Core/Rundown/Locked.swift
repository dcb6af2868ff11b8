#if NSPHOST_THREAD_SANITIZER
  import Glibc

  /// A value under a lock. Any thread may call.
  ///
  /// ThreadSanitizer sees the locks of pthread but not those of the standard library, which are futexes, and would report each use
  /// of a value under one of them as a race.
  public struct Locked<Value>: ~Copyable, @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)

    public init(_ initial: consuming sending Value) {
      pthread_mutex_init(lock, nil)
      value.initialize(to: initial)
    }

    deinit {
      pthread_mutex_destroy(lock)
      lock.deallocate()
      value.deinitialize(count: 1)
      value.deallocate()
    }

    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
      _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
      pthread_mutex_lock(lock)
      defer { pthread_mutex_unlock(lock) }
      return try body(&value.pointee)
    }
  }
#else
  import Synchronization

  /// A value under a lock. Any thread may call.
  ///
  /// It is the standard library's lock; builds with ThreadSanitizer have one that the sanitizer sees. All rooms take this name.
  public typealias Locked<Value> = Mutex<Value>
#endif
