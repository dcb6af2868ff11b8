import ArgumentParser
import CWinsock
import Foundation
import HostDaemon
import Hosting
import NSPClient
import Providers
import QuerySets
import Rundown
import ServiceClasses

struct WatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Look a name up, and show every change: + what comes, - what goes, = what has other addresses.",
    discussion: """
      Providers say when something changes where they can; the host sees what is registered through it; others are asked every second. \
      Providers that come and go are followed. End with Ctrl-C.
      """)

  @OptionGroup var options: HostOptions
  @OptionGroup var query: QueryArguments

  @Flag(name: .long, help: "Show what there is, and end.")
  var once = false

  func run() throws {
    // Where no host runs, this command has one of its own.
    guard let running = try options.runningHost() else { return try runLocally() }
    try watch(running.path)
  }

  private func runLocally() throws {
    try options.performAlone(staysUp: !once, choose: query.needed) { try watch($0.socket()) }
  }

  private func watch(_ path: String) throws {
    let interrupted = Interruption()
    let (service, board) = (NameService(socket: path, silence: options.silence), WatchBoard(query.name, options.json))
    let asked = try querySet()
    let task = Task { [once, query] in
      do {
        var asked = asked
        if let provider = query.provider {
          asked.providerID = try provider.one(among: try await service.providers().known)
        }
        let watch = Watch(service, asked, query.lookupFlags.union(.returnName), board)
        if !once { try await watch.follow() } else if try await !watch.showOnce() { throw WinsockError.serviceNotFound }
        interrupted.end()
      } catch { interrupted.end(error) }
    }
    defer { task.cancel() }
    do { try interrupted.wait() } catch { throw failure(error) }
  }

  private func failure(_ error: any Error) -> CommandFailure {
    if let failure = error as? CommandFailure { return failure }
    if error as? WinsockError == .serviceNotFound {
      return CommandFailure(
        kind: .nothingFound, error: .serviceNotFound, what: "watch \(query.name)", why: "nobody has it now",
        remedy: "nsphost lookup \(query.name) --explain")
    }
    if error as? WinsockError == .tryAgain {
      return CommandFailure(
        error: .tryAgain, what: "watch \(query.name)", why: "nobody has it now, and not every provider could answer",
        remedy: "nsphost lookup \(query.name) --explain")
    }
    if error as? WinsockError == .timedOut { return RunningHost.silent("watch \(query.name)", options.silence) }
    return CommandFailure(
      kind: .unreachable, error: error as? WinsockError, what: "watch \(query.name)", why: "the host went away",
      remedy: "see whether it still runs")
  }

  /// Class names are those that this process can find out: the well-known ones, and those that its own user's hosts keep.
  private func querySet() throws -> QuerySet {
    let schema = SchemaProvider(directory: options.stateDirectory)
    return query.request.querySet(class: try query.serviceClass?.one(in: schema), provider: nil)
  }
}

/// A query that is open at every provider of a host.
private struct Watch: Sendable {
  let service: NameService
  let query: QuerySet
  let flags: LookupFlags
  let board: WatchBoard

  init(_ service: NameService, _ query: QuerySet, _ flags: LookupFlags, _ board: WatchBoard) {
    (self.service, self.query, self.flags, self.board) = (service, query, flags, board)
  }

  private var providers: [NameService.Provider] {
    get async throws {
      try await service.providers().filter { provider in
        provider.isActive && (query.providerID ?? provider.id) == provider.id && provider.id != SchemaProvider.id
          && (query.nameSpace == .all || provider.servesAll || provider.nameSpaces.contains(query.nameSpace))
      }
    }
  }

  private func changes(of provider: NameService.Provider) -> Changes {
    var asked = query
    asked.providerID = provider.id
    return service.changes(of: asked, flags: flags)
  }

  /// Whether there was anything.
  func showOnce() async throws -> Bool {
    var hasFound = false
    var outage: WinsockError?
    for provider in try await providers {
      var iterator = changes(of: provider).makeAsyncIterator()
      do {
        guard let records = try await iterator.next() else { continue }
        board.show(records, of: provider)
        hasFound = hasFound || !records.isEmpty
      } catch let error as WinsockError where error == .tryAgain {
        outage = error
      } catch {
        // One that does not take the query has nothing.
      }
    }
    if !hasFound, let outage { throw outage }
    return hasFound
  }

  /// Follows the catalog, and each provider as soon as it says something. The host says when a provider has come or gone.
  func follow() async throws {
    var watches: [NameService.Provider: Task<Void, Never>] = [:]
    defer { for watch in watches.values { watch.cancel() } }
    while true {
      let change = try await service.nextCatalogChange()
      let wanted = Set(try await providers)
      for (provider, watch) in watches where !wanted.contains(provider) {
        watch.cancel()
        watches[provider] = nil
        board.show([], of: provider)
      }
      for provider in wanted where watches[provider] == nil {
        watches[provider] = Task { await follow(provider) }
      }
      do { try await change.value } catch {
        // A host that comes again within a second is the same to whoever watches.
        try await Task.sleep(for: .seconds(1))
      }
    }
  }

  /// A lookup that fails is begun anew a little later.
  private func follow(_ provider: NameService.Provider) async {
    while !Task.isCancelled {
      do {
        for try await records in changes(of: provider) where !Task.isCancelled { board.show(records, of: provider) }
      } catch {
        // A host that went away says nothing of what there is, nor does a provider that is down.
        let saysNothing = [.networkDown, .tryAgain].contains(error as? WinsockError)
        if !Task.isCancelled, !saysNothing { board.show([], of: provider) }
      }
      try? await Task.sleep(for: .seconds(1))
    }
  }
}

/// What was shown, and how it differs from what there is.
private final class WatchBoard: Sendable {
  /// Under one name at one provider.
  private typealias Found = [String: Set<String>]

  private let name: String
  private let isJSON: Bool
  private let shown = Locked<[GUID: Found]>([:])

  init(_ name: String, _ isJSON: Bool) { (self.name, self.isJSON) = (name, isJSON) }

  func show(_ records: [QuerySet], of provider: NameService.Provider) {
    var found: Found = [:]
    for record in records {
      found[record.serviceInstanceName ?? name, default: []].formUnion(record.addresses.map(\.remote.description))
    }
    // Lines of two providers never mix.
    shown.withLock { shown in
      let before = shown[provider.id] ?? [:]
      shown[provider.id] = found
      for name in Set(before.keys).union(found.keys).sorted() where before[name] != found[name] {
        let event: Event = before[name] == nil ? .found : found[name] == nil ? .gone : .changed
        line(event, name, (found[name] ?? before[name] ?? []).sorted(), provider)
      }
      fflush(nil)
    }
  }

  private enum Event: String, Encodable {
    case found
    case gone
    case changed

    var sign: String {
      switch self {
      case .found: "+"
      case .gone: "-"
      case .changed: "="
      }
    }
  }

  private struct Document: Encodable {
    struct Body: Encodable {
      var event: Event
      var name: String
      var addresses: [String]
      var provider: String
      var at: String
    }
    let schema = "nsphost.watch/1"
    let host = HostEnvelope()
    var change: Body
  }

  private func line(_ event: Event, _ name: String, _ addresses: [String], _ provider: NameService.Provider) {
    guard !isJSON else {
      return Output.json(
        Document(
          change: .init(
            event: event, name: name, addresses: addresses, provider: provider.name, at: Date.now.formatted(.iso8601))))
    }
    print(
      "\(event.sign) \(addresses.isEmpty ? "-" : addresses.joined(separator: " "))  \(name.printable)  \(provider.name.printable)"
    )
  }
}
