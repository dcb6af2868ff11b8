/// A limit of a host by which it refuses something. The numbers are those on the wire.
public enum HostLimit: UInt32, CaseIterable, Sendable {
  case connections = 1
  case connectionsPerUser = 2
  case sessionsPerUser = 3
  case requestsPerUser = 4
  case lookupsPerProcess = 5
  case lookupsPerUser = 6
  case registrationsPerUser = 7
  case bytesPerUser = 8
  case bytesQueued = 9
  case frameBytes = 10
  /// How long a connection may be there without a hello.
  case helloTime = 11
  /// Files that the host's process may have open.
  case descriptors = 12
}

/// What an answer with `WSAENOBUFS` says of the limit that was met.
public struct MetLimit: Sendable, Equatable {
  public var limit: HostLimit
  /// Whose it is; nil: it is one for all users together.
  public var user: UInt32?
  public var maximum: UInt64

  public init(_ limit: HostLimit, of user: UInt32?, maximum: UInt64) {
    (self.limit, self.user, self.maximum) = (limit, user, maximum)
  }

  /// Nil where the payload says nothing of a limit.
  public init?(_ payload: UnsafeRawBufferPointer) {
    var fields = FieldReader(payload)
    guard fields.uint32() == 0, fields.uint32() == 0, let limit = fields.uint32().flatMap(HostLimit.init(rawValue:)),
      let user = fields.uint32(), let maximum = fields.uint64()
    else { return nil }
    self.init(limit, of: user == .max ? nil : user, maximum: maximum)
  }

  /// The payload. It begins like an answer that has nothing: no reason, no records, no text.
  public func append(to answer: inout FrameWriter) {
    answer.append(UInt64(0))
    answer.append(limit.rawValue)
    answer.append(user ?? .max)
    answer.append(maximum)
  }
}
