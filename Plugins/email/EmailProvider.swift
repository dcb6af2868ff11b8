import CProvider
import CWinsock
import NSPProvider
import QuerySets
import Resolver
import ResolverSettings

/// From an e-mail address to the endpoints of its services: what sessions have published, and for the addresses of the rest of the world
/// what their domains offer in the Domain Name System.
final class EmailProvider: NameSpaceProvider {
  private let publications = Publications()
  /// Nil where the settings say that the rest of the world is not to be asked for.
  private let resolver: Resolver?
  private let changes: ProviderChanges

  init(_ settings: Settings) throws(WinsockError) {
    resolver = try settings.truth("discover", default: true) ? try Resolver(settings) : nil
    changes = ProviderChanges(settings)
    // Of the rest of the world it can't know: it promises nothing, and gives names alone.
    if resolver == nil { changes.promise() }
  }

  func startup(_ client: Client) throws(WinsockError) -> (any ProviderSession)? { EmailSession(client) }

  func end(_ session: any ProviderSession, hasVanished: Bool) {
    guard let session = session as? EmailSession else { return }
    let names = publications.end(session)
    if resolver == nil, !names.isEmpty { return changes.sayEverything() }
    for name in names { changes.say(name) }
  }

  func lookup(_ query: Query, for session: (any ProviderSession)?) throws(WinsockError) -> Answer {
    if query.serviceClass == .registrations {
      return Answer(
        publications.registrations(
          of: RegistrationBlob.user(in: query.restrictions.queryString), at: query.name.flatMap { EmailAddress($0) }))
    }
    guard let session = session as? EmailSession, let service = Service(query.restrictions.context) else {
      throw .invalidArgument
    }
    if query.flags.contains(.returnPreferredNames) {
      guard (query.name ?? "").isEmpty else { throw .invalidArgument }
      return try preferredNames(query, service, for: session.client)
    }
    // Queries of all name spaces come by here: most names are no addresses.
    guard let name = query.name, let address = EmailAddress(name) else { throw .serviceNotFound }
    let published = publications.records(address, service, for: query.countsAllOwners ? nil : session.client)
    // Whoever publishes an address says all that there is at it, to those for whom it counts.
    if let published {
      if published.isEmpty { throw .noData }
      return Answer(published)
    }
    // Nobody vouches for what the Domain Name System says.
    guard let resolver, !query.flags.contains(.secure) else { throw .serviceNotFound }
    let services = MailService.asked(service)
    if services.isEmpty { throw .serviceNotFound }
    return try Discovery.answer(address, services, query, resolver, for: session.client.queryOwner)
  }

  private func preferredNames(_ query: Query, _ service: Service, for client: Client) throws(WinsockError) -> Answer {
    let names = publications.preferredNames(of: client.userID, service)
    if names.isEmpty { throw .noData }
    return Answer(
      names.map { name in
        QuerySet(
          serviceInstanceName: name, nameSpace: .email, context: query.restrictions.context,
          outputFlags: LookupFlags.returnPreferredNames.rawValue)
      })
  }

  func set(_ registration: Registration, for session: (any ProviderSession)?, _ completion: Completion) {
    guard let session = session as? EmailSession, let name = registration.set.serviceInstanceName else {
      return completion(.invalidArgument)
    }
    // Registrations of all name spaces come by here, too.
    guard let address = EmailAddress(name) else { return completion(.operationNotSupported) }
    guard let service = Service(registration.set.context) else { return completion(.invalidArgument) }
    completion(publications.change(address, service, registration, by: session))
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func nsp_provider_create(_ lpProviderId: LPGUID?, _ lpiError: LPINT?) -> LPVOID? {
  ProviderBox.retained(lpProviderId, lpiError) { settings throws(WinsockError) in try EmailProvider(settings) }
}
