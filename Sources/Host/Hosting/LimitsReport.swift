import Providers

/// How a host that serves others stands with its limits.
public struct LimitsReport: Sendable {
  /// What has been refused by one limit since the host has begun.
  public struct Refusal: Sendable {
    /// As the configuration calls it.
    public var limit: String
    /// Nil: of nobody in particular.
    public var user: UInt32?
    public var count: Int
    public var last: MonotonicTime

    public init(limit: String, user: UInt32?, count: Int, last: MonotonicTime) {
      (self.limit, self.user, self.count, self.last) = (limit, user, count, last)
    }
  }

  /// A quota of which at least four fifths are taken now.
  public struct Quota: Sendable {
    public var limit: String
    /// Nil: all users together.
    public var user: UInt32?
    /// Nil where it is not that of one process.
    public var processID: Int32?
    public var taken: Int
    public var maximum: Int

    public init(limit: String, user: UInt32?, processID: Int32? = nil, taken: Int, maximum: Int) {
      (self.limit, self.user, self.processID, self.taken, self.maximum) = (limit, user, processID, taken, maximum)
    }

    /// Whether so much is taken that it is worth saying.
    public static func isNear(_ taken: Int, _ maximum: Int) -> Bool { taken > 0 && taken >= maximum - maximum / 5 }
  }

  public var refusals: [Refusal] = []
  public var near: [Quota] = []

  public init() {}
}
