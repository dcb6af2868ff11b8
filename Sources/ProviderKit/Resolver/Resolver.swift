/// Asks the Domain Name System, asynchronously: one thread for all queries of a resolver, whatever their number.
///
/// Any thread may call. A completion runs once, on the resolver's thread, and must not wait.
public final class Resolver: Sendable {
  /// Which servers are asked and how; what is nil is as resolv.conf says.
  public struct Configuration: Sendable {
    /// Addresses, each with a port where it is not 53: `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:53`.
    public var servers: [String]?
    public var search: [String]?
    public var ndots: Int?
    /// For the first try at a server.
    public var timeout: Duration?
    public var tries: Int?
    public var resolvConf = "/etc/resolv.conf"

    public init() {}
  }

  /// Why no resolver can be made of a configuration.
  public struct ConfigurationFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
  }

  /// A type of DNS records, by its number.
  public struct RecordType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let a = RecordType(rawValue: 1)
    public static let ns = RecordType(rawValue: 2)
    public static let cname = RecordType(rawValue: 5)
    public static let soa = RecordType(rawValue: 6)
    public static let ptr = RecordType(rawValue: 12)
    public static let mx = RecordType(rawValue: 15)
    public static let txt = RecordType(rawValue: 16)
    public static let aaaa = RecordType(rawValue: 28)
    public static let srv = RecordType(rawValue: 33)
    /// Whatever there is.
    public static let any = RecordType(rawValue: 255)
  }

  /// One record of an answer.
  public struct Record: Hashable, Sendable {
    public enum Data: Hashable, Sendable {
      /// 4 or 16 bytes.
      case address([UInt8])
      /// NS, CNAME, PTR: another name.
      case name(String)
      case mail(preference: UInt16, exchange: String)
      case service(priority: UInt16, weight: UInt16, port: UInt16, target: String)
      /// The strings of one record, in order.
      case text([[UInt8]])
      /// Of other types, as it came, with names spelled out.
      case other([UInt8])
    }

    /// Whose record it is: the end of the chain, where the question led through CNAMEs.
    public var owner: String
    public var type: RecordType
    /// Seconds.
    public var timeToLive: UInt32
    public var data: Data
    /// The data as it came, with names spelled out.
    public var bytes: [UInt8]
  }

  public struct Reply: Hashable, Sendable {
    /// Those of the type that was asked for.
    public var records: [Record]
    /// The CNAMEs on the way, in order: the name that was asked for first.
    public var chain: [Record]
    /// What was asked for in the end: the name with the domain that was found by search.
    public var canonicalName: String
  }

  public enum Failure: Error, Hashable, Sendable {
    /// NXDOMAIN.
    case noSuchName
    /// The name is there, without records of the type.
    case noData
    /// No server answered in time.
    case unanswered
    /// Worth another try: a server said SERVFAIL, or none can be reached.
    case temporary
    /// REFUSED, FORMERR, NOTIMP, or an answer that can't be read.
    case refused
    /// It is no name.
    case invalidName
    case cancelled
  }

  /// What a query is cancelled by.
  public struct Ticket: Hashable, Sendable {
    let number: UInt64
  }

  private let thread: ResolverThread

  public init(_ configuration: Configuration = Configuration()) throws(ConfigurationFailure) {
    thread = try ResolverThread(configuration)
  }

  deinit { thread.stop() }

  /// Asks for the records of a name. A completion runs once.
  /// - Parameter searches: Search domains and ndots apply. A name with a final dot is never searched.
  public func query(
    _ name: String, _ type: RecordType, searches: Bool = true, completion: @escaping @Sendable (Result<Reply, Failure>) -> Void
  ) -> Ticket {
    query(name, [type], searches: searches) { completion($0[0]) }
  }

  /// Asks for records of several types at once, of one name: a search ends at the first name that has any of them.
  /// - Parameters:
  ///   - owner: Whose question it is: no one has more than a part of those that can be asked at a time. Nil for whoever may have all.
  ///   - completion: Gets a result for each type, in their order.
  public func query(
    _ name: String, _ types: [RecordType], searches: Bool = true, owner: UInt32? = nil,
    completion: @escaping @Sendable ([Result<Reply, Failure>]) -> Void
  ) -> Ticket {
    thread.ask(name, types, searches: searches, owner: owner, completion)
  }

  /// Nobody wants the answers any more: the completion runs with `.cancelled`, unless it has run.
  public func cancel(_ ticket: Ticket) { thread.cancel(ticket) }
}
