import Glibc

/// Which registrations' callbacks are running on this thread, innermost first: waiting for one of them from inside would wait
/// for itself (nmr.md §10.2).
enum CallbackFrames {
  private struct Frame {
    let client: ModuleHandle
    let provider: ModuleHandle
    let outer: UnsafeMutablePointer<Frame>?
  }

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    let status = pthread_key_create(&key, nil)
    precondition(status == 0, "the process has no thread-specific data left")
    return key
  }()

  /// Runs a callback of a binding. Calls out.
  static func run<Result>(_ binding: ModuleBinding, _ callback: () -> Result) -> Result {
    let outer = pthread_getspecific(key)
    var frame = Frame(
      client: binding.client.handle, provider: binding.provider.handle, outer: outer?.assumingMemoryBound(to: Frame.self))
    return withUnsafeMutablePointer(to: &frame) { frame in
      // The frame lives on this stack until the callback has returned.
      pthread_setspecific(key, frame)
      defer { pthread_setspecific(key, outer) }
      return callback()
    }
  }

  /// Whether a callback for a binding of this registration is running on this thread.
  static func contains(_ registration: ModuleHandle) -> Bool {
    var frame = pthread_getspecific(key)?.assumingMemoryBound(to: Frame.self)
    while let current = frame {
      if current.pointee.client == registration || current.pointee.provider == registration { return true }
      frame = current.pointee.outer
    }
    return false
  }
}
