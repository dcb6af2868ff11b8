import CProvider
import CWinsock
import NSPProvider
import QuerySets
import Resolver
import Synchronization

/// Serves what the Domain Name System knows: hosts, names of addresses, and records of any type; registers hosts by dynamic update.
final class DNSProvider: NameSpaceProvider {
  private let resolver: Resolver
  private let updater: Updater?

  init(_ settings: Settings) throws(WinsockError) {
    let configuration = try Resolver.Configuration(settings)
    do throws(Resolver.ConfigurationFailure) { resolver = try Resolver(configuration) } catch {
      throw Settings.refuse(error.description)
    }
    updater = try UpdateSettings(settings).map { Updater($0) }
  }

  func startup(_ client: Client) throws(WinsockError) -> (any ProviderSession)? { updater == nil ? nil : ClientSession(client) }

  func lookup(_ query: Query, for session: (any ProviderSession)?) throws(WinsockError) -> Answer {
    let question = try DNSQuestion(query)
    let inquiry = Inquiry(resolver)
    let answer = Answer { inquiry.cancel() }
    inquiry.ticket = resolver.query(question.name, question.types, searches: question.searches) { results in
      do throws(WinsockError) { answer.finish(with: try question.records(results)) } catch { answer.finish(error) }
    }
    return answer
  }

  func set(_ registration: Registration, for session: (any ProviderSession)?, _ completion: Completion) {
    guard let updater else { return completion(.operationNotSupported) }
    guard let session = session as? ClientSession else { return completion(.accessDenied) }
    updater.set(registration, for: session.client, completion)
  }
}

/// Who asks, kept for registrations.
private final class ClientSession: ProviderSession {
  let client: Client
  init(_ client: Client) { self.client = client }
}

/// A query at the resolver. Its ticket is there before anybody can end the query.
private final class Inquiry: Sendable {
  private let resolver: Resolver
  private let held = Mutex<Resolver.Ticket?>(nil)

  init(_ resolver: Resolver) { self.resolver = resolver }

  var ticket: Resolver.Ticket? {
    get { held.withLock { $0 } }
    set { held.withLock { $0 = newValue } }
  }

  func cancel() {
    if let ticket { resolver.cancel(ticket) }
  }
}

extension Resolver.Configuration {
  fileprivate init(_ settings: Settings) throws(WinsockError) {
    self.init()
    servers = try settings.texts("servers")
    if servers?.isEmpty == true { throw Settings.refuse("servers names none: leave it out, or name one") }
    if let wrong = servers?.first(where: { !Self.isServer($0) }) {
      throw Settings.refuse("\(wrong), of servers, is no address like 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:53")
    }
    search = try settings.texts("search")
    ndots = try settings.text("ndots") == nil ? nil : try settings.number("ndots", 0...15, default: 1)
    tries = try settings.text("tries") == nil ? nil : try settings.number("tries", 1...10, default: 2)
    if try settings.text("timeout-ms") != nil {
      timeout = .milliseconds(try settings.number("timeout-ms", 10...60_000, default: 1000))
    }
    resolvConf = try settings.text("resolv-conf") ?? resolvConf
    guard resolvConf.hasPrefix("/") else { throw Settings.refuse("resolv-conf is \(resolvConf): write an absolute path") }
  }

  private static func isServer(_ text: String) -> Bool { SocketAddress(text) != nil }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func nsp_provider_create(_ lpProviderId: LPGUID?, _ lpiError: LPINT?) -> LPVOID? {
  ProviderBox.retained(lpProviderId, lpiError) { settings throws(WinsockError) in try DNSProvider(settings) }
}
