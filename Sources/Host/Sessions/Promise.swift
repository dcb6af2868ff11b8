import Dispatch
import Rundown

/// A value that comes once, and what those have who wait for it.
public final class Promise<Value: Sendable>: Sendable {
  private let arrived = DispatchSemaphore(value: 0)
  private let value = Locked<Value?>(nil)

  public init() {}

  /// The first value counts.
  public func resolve(_ value: Value) {
    let isFirst = self.value.withLock { current in
      guard current == nil else { return false }
      current = value
      return true
    }
    if isFirst { arrived.signal() }
  }

  /// The value has not come yet.
  public var isOpen: Bool { value.withLock { $0 == nil } }

  /// - Returns: nil when the deadline passed first.
  public func wait(for deadline: Duration) -> Value? {
    guard arrived.wait(timeout: .now() + deadline.dispatchInterval) == .success else { return nil }
    // The next one who waits finds it too.
    arrived.signal()
    return value.withLock { $0 }
  }
}

extension Duration {
  /// For waits of libdispatch, which count in nanoseconds.
  public var dispatchInterval: DispatchTimeInterval {
    let (seconds, attoseconds) = components
    return .nanoseconds(Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))
  }
}
