import CThreads

/// A thread that nobody waits for. All signals are blocked on it but those that code brings upon itself; its stack has 1 MiB.
///
/// Not libdispatch: from its first piece of work on, that wakes a process each second.
public enum OwnThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Runs `body` on a new thread. Any thread may call.
  /// - Returns: false where the system gives none; then `body` does not run.
  public static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
    // Retained for the thread, which takes it at its beginning; released here where there is no thread.
    let context = Unmanaged.passRetained(Body(body))
    let status = nsp_start_thread({ Unmanaged<Body>.fromOpaque($0!).takeRetainedValue().run() }, context.toOpaque())
    if status != 0 { context.release() }
    return status == 0
  }

  /// How much more stack than usual the threads get that are started from now on: where static thread-local storage, which lies in the
  /// stack of every thread, takes more than usual.
  public static func makeRoom(forStaticTLS bytes: Int) { nsp_make_room_for_threads(max(0, bytes)) }
}
