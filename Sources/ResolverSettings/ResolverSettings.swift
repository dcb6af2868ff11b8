import NSPProvider
import QuerySets
import Resolver

extension Resolver.Configuration {
  /// What a provider's settings say of the servers to ask: `servers`, `search`, `ndots`, `timeout-ms`, `tries` and `resolv-conf`.
  public init(_ settings: Settings) throws(WinsockError) {
    self.init()
    servers = try settings.texts("servers")
    search = try settings.texts("search")
    if try settings.text("ndots") != nil { ndots = try settings.number("ndots", 0...15, default: 1) }
    if try settings.text("timeout-ms") != nil {
      timeout = .milliseconds(try settings.number("timeout-ms", 50...60_000, default: 1000))
    }
    if try settings.text("tries") != nil { tries = try settings.number("tries", 1...10, default: 2) }
    if let path = try settings.text("resolv-conf") {
      guard path.hasPrefix("/") else { throw Settings.refuse("\(path), of resolv-conf, is not an absolute path") }
      resolvConf = path
    }
  }
}

extension Resolver {
  /// As a provider's settings say. What can't be used is said in the host's log.
  public convenience init(_ settings: Settings) throws(WinsockError) {
    let configuration = try Configuration(settings)
    do throws(ConfigurationFailure) { try self.init(configuration) } catch { throw Settings.refuse(error.description) }
  }
}
