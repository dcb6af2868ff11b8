import NSPProvider
import QuerySets
import Resolver

extension Resolver.Configuration {
  /// What a provider's settings say of the servers to ask: `servers`, `search`, `ndots`, `timeout-ms`, `tries` and `resolv-conf`.
  public init(_ settings: Settings) throws(WinsockError) {
    self.init()
    servers = try settings.texts("servers")
    if servers?.isEmpty == true { throw Settings.refuse("servers names none: leave it out, or name one") }
    if let wrong = servers?.first(where: { SocketAddress($0) == nil }) {
      throw Settings.refuse("\(wrong), of servers, is no address like 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:53")
    }
    search = try settings.texts("search")
    if try settings.text("ndots") != nil { ndots = try settings.number("ndots", 0...15, default: 1) }
    if try settings.text("tries") != nil { tries = try settings.number("tries", 1...10, default: 2) }
    if try settings.text("timeout-ms") != nil {
      timeout = .milliseconds(try settings.number("timeout-ms", 10...60_000, default: 1000))
    }
    resolvConf = try settings.text("resolv-conf") ?? resolvConf
    guard resolvConf.hasPrefix("/") else { throw Settings.refuse("resolv-conf is \(resolvConf): write an absolute path") }
  }
}

extension Resolver {
  /// As a provider's settings say. What can't be used is said in the host's log.
  public convenience init(_ settings: Settings) throws(WinsockError) {
    let configuration = try Configuration(settings)
    do throws(ConfigurationFailure) { try self.init(configuration) } catch { throw Settings.refuse(error.description) }
  }
}

extension Client {
  /// Whose share of the resolver a query of this client takes; nil, for an operator's, is nobody's.
  public var queryOwner: UInt32? { isOperator ? nil : userID }
}
