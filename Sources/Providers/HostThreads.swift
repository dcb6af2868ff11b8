import Dispatch

/// Threads of the host on which work goes on that must not run on a provider's stack, or that a client must be able to leave.
public enum HostThreads {
  private static let queue = DispatchQueue(label: "nsphost.calls", attributes: .concurrent)

  /// Runs `work` on a thread of the host, soon.
  public static func run(_ work: @escaping @Sendable () -> Void) { queue.async(execute: work) }
}
