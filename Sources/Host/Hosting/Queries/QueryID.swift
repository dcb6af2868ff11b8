import Synchronization

/// Names one query or registration of this process, in what clients are shown and in the logs of host and providers.
public struct QueryID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  private static let last = Atomic<UInt64>(0x1000)

  /// One that was never given before.
  public static func next() -> QueryID { QueryID(rawValue: last.add(1, ordering: .relaxed).newValue) }

  /// Hexadecimal digits, four at least.
  public var description: String { String(rawValue, radix: 16) }
}
