import CProvider
import CWinsock
import Dispatch
import Hosting
import ModuleRegistrar
import NSPProvider
import Providers
import QuerySets
import Rundown
import Sessions

/// The provider of these tests, in Swift like those that ship: what a name says is what it does.
///
/// `N-now`, `N-asked` and `N-later` deliver N records at once, on the thread that asks, or from other threads; `never` does not; `large` has a
/// record that needs a second try.
final class AskedProvider: NameSpaceProvider {
  static let shared = AskedProvider()

  struct Books: Equatable {
    var startups = 0
    var cleanups = 0
    var rundowns = 0
    var cancelled = 0
    var clients: [Client] = []
  }

  private final class Session: NSPProvider.ProviderSession {}

  private let state = Locked(Books())
  var books: Books { state.withLock { $0 } }
  func forget() { state.withLock { $0 = Books() } }

  func startup(_ client: Client) throws(WinsockError) -> (any NSPProvider.ProviderSession)? {
    state.withLock { books in
      books.startups += 1
      books.clients.append(client)
    }
    return Session()
  }

  func end(_ session: any NSPProvider.ProviderSession, hasVanished: Bool) {
    state.withLock { books in if hasVanished { books.rundowns += 1 } else { books.cleanups += 1 } }
  }

  func lookup(_ query: Query, for session: (any NSPProvider.ProviderSession)?) throws(WinsockError) -> Answer {
    guard session != nil, let name = query.name else { throw .invalidArgument }
    let parts = name.split(separator: "-")
    let count = Int(parts[0]) ?? 0
    let records = (0..<count).map { QuerySet(serviceInstanceName: "\(name) \($0)") }
    switch parts.last {
    case "now": return Answer(records)
    case "asked":
      return Answer(whenAsked: { () throws(WinsockError) in
        if records.isEmpty { throw .noData }
        return records
      })
    case "later":
      let answer = Answer()
      for record in records.dropLast() { DispatchQueue.global().async { answer.deliver([record]) } }
      DispatchQueue.global().async { answer.finish(with: records.suffix(0)) }
      DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(1)) { answer.finish(.noMore) }
      return answer
    case "never": return Answer(cancel: { [self] in state.withLock { $0.cancelled += 1 } })
    case "large": return Answer([QuerySet(serviceInstanceName: name, blob: [UInt8](repeating: 7, count: 60_000))])
    case "fails": throw .tryAgain
    default: throw .serviceNotFound
    }
  }

  func set(_ registration: Registration, for session: (any NSPProvider.ProviderSession)?, _ completion: Completion) {
    switch registration.set.serviceInstanceName {
    case "dropped": break  // What is let go of without an answer is a failure.
    case "twice":
      completion()
      completion(.noData)
    case "late": DispatchQueue.global().async { completion(registration.isMultiple ? .noBuffers : .success) }
    default: completion(.accessDenied)
    }
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func nsp_provider_create(_ lpProviderId: LPGUID?, _ lpiError: LPINT?) -> LPVOID? {
  ProviderBox.retained(lpProviderId, lpiError) { settings throws(WinsockError) in
    guard try settings.text("wanted") == nil else { throw .invalidArgument }
    return AskedProvider.shared
  }
}

/// A host that the provider is part of, as if it were a file's.
final class AskedHost: Sendable {
  let host = ProviderHost(registrar: ModuleRegistrar())
  let id = Manifest(fileName: "asked.so").id

  init() throws {
    AskedProvider.shared.forget()
    try host.catalog.install(Manifest(id: id, displayName: "asked", nameSpace: .dns))
    var table = NSPV2_ROUTINE()
    table.cbSize = 72
    table.NSPv2Startup = { NSPv2Startup($0, $1) }
    table.NSPv2Cleanup = { NSPv2Cleanup($0, $1) }
    table.NSPv2LookupServiceBegin = { NSPv2LookupServiceBegin($0, $1, $2, $3, $4) }
    table.NSPv2LookupServiceNextEx = { NSPv2LookupServiceNextEx($0, $1, $2, $3, $4) }
    table.NSPv2LookupServiceEnd = { NSPv2LookupServiceEnd($0) }
    table.NSPv2SetServiceEx = { NSPv2SetServiceEx($0, $1, $2, $3, $4, $5) }
    table.NSPv2ClientSessionRundown = { NSPv2ClientSessionRundown($0, $1) }
    try host.advertise(id, &table)
  }

  func open(_ process: Int32 = 1, user: UInt32 = 0) throws -> LoopbackClient {
    try host.open(ClientIdentity(processID: process, userID: user, groupID: 7, command: "test"))
  }

  /// The names of all records, and how it ended.
  func names(_ client: ClientSession, _ name: String, flags: LookupFlags = .returnName) -> ([String], WinsockError) {
    var names: [String] = []
    do throws(WinsockError) {
      let lookup = try host.engine.begin(client, QuerySet(serviceInstanceName: name, providerID: id), flags: flags)
      defer { lookup.end() }
      do throws(LookupError) { while true { names.append(try lookup.next().serviceInstanceName ?? "") } } catch {
        return (names, error.winsockError)
      }
    } catch { return (names, error) }
  }
}
