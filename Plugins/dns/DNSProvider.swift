import CProvider
import CWinsock
import NSPProvider
import QuerySets
import Resolver
import ResolverSettings
import Rundown

/// Serves what the Domain Name System knows: hosts, names of addresses, and records of any type; registers hosts by dynamic update.
final class DNSProvider: NameSpaceProvider {
  private let resolver: Resolver
  private let updater: Updater?

  init(_ settings: Settings) throws(WinsockError) {
    resolver = try Resolver(settings)
    updater = try UpdateSettings(settings).map { Updater($0) }
  }

  func startup(_ client: Client) throws(WinsockError) -> (any ProviderSession)? { DNSSession(client) }

  func lookup(_ query: Query, for session: (any ProviderSession)?) throws(WinsockError) -> Answer {
    let question = try DNSQuestion(query)
    let inquiry = Inquiry(resolver)
    let answer = Answer { inquiry.cancel() }
    let owner = (session as? DNSSession)?.client.queryOwner
    inquiry.ticket = resolver.query(question.name, question.types, searches: question.searches, owner: owner) { results in
      do throws(WinsockError) { answer.finish(with: try question.records(results)) } catch { answer.finish(error) }
    }
    return answer
  }

  func set(_ registration: Registration, for session: (any ProviderSession)?, _ completion: Completion) {
    guard let updater else { return completion(.operationNotSupported) }
    guard let session = session as? DNSSession else { return completion(.accessDenied) }
    updater.set(registration, for: session.client, completion)
  }
}

/// Who asks.
private final class DNSSession: ProviderSession {
  let client: Client
  init(_ client: Client) { self.client = client }
}

/// A query at the resolver. Its ticket is there before anybody can end the query.
private final class Inquiry: Sendable {
  private let resolver: Resolver
  private let held = Locked<Resolver.Ticket?>(nil)

  init(_ resolver: Resolver) { self.resolver = resolver }

  var ticket: Resolver.Ticket? {
    get { held.withLock { $0 } }
    set { held.withLock { $0 = newValue } }
  }

  func cancel() {
    if let ticket { resolver.cancel(ticket) }
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func nsp_provider_create(_ lpProviderId: LPGUID?, _ lpiError: LPINT?) -> LPVOID? {
  ProviderBox.retained(lpProviderId, lpiError) { settings throws(WinsockError) in try DNSProvider(settings) }
}
