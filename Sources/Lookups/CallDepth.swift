import Glibc

/// How deep providers' routines have called back into the host on this thread (nsp.md T8).
enum CallDepth {
  static let maximum = 16

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    let status = pthread_key_create(&key, nil)
    precondition(status == 0, "the process has no thread-specific data left")
    return key
  }()

  static var current: Int { Int(bitPattern: pthread_getspecific(key)) }

  /// Runs a routine of a provider one level deeper.
  static func deeper<Result>(_ routine: () -> Result) -> Result {
    let depth = current
    pthread_setspecific(key, UnsafeRawPointer(bitPattern: depth + 1))
    defer { pthread_setspecific(key, UnsafeRawPointer(bitPattern: depth)) }
    return routine()
  }
}
