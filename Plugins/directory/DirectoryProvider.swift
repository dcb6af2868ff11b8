import CProvider
import CWinsock
import NSPProvider
import QuerySets
import Rundown
import Synchronization

/// Keeps what programs register, in a database: for good, for a time, or as long as a session lasts.
final class DirectoryProvider: NameSpaceProvider {
  private let store: Store
  private let limits: DirectoryLimits
  /// Searches that go through many rows do so here, a piece of each in turn.
  private let searching = WorkQueue()
  private let sessions = Atomic<Int64>(0)
  /// Of sessions that have registered something which ends with them.
  private let processes = Locked<[Int64: Int32]>([:])

  init(_ settings: Settings) throws(WinsockError) {
    let directory = try settings.text("state")
    if let directory, !directory.hasPrefix("/") { throw Settings.refuse("\(directory), as state, is not an absolute path") }
    limits = DirectoryLimits(
      instancesOfUser: try settings.number("per-user", 0...10_000_000, default: 10_000),
      blobBytes: try settings.number("blob-bytes", 0...(896 << 10), default: 64 << 10),
      bytesOfUser: try settings.number("bytes-per-user", 0...(1 << 40), default: 64 << 20))
    store = try Store(directory: directory, ProviderChanges(settings))
  }

  var hasContainers: Bool { true }

  func settle() { store.settle() }

  // MARK: Sessions

  func startup(_ client: Client) throws(WinsockError) -> (any ProviderSession)? {
    DirectorySession(client, sessions.add(1, ordering: .relaxed).newValue)
  }

  func end(_ session: any ProviderSession, hasVanished: Bool) {
    guard let session = session as? DirectorySession, session.hasRegistered.load(ordering: .acquiring) else { return }
    processes.withLock { _ = $0.removeValue(forKey: session.number) }
    store.end(session.number)
  }

  // MARK: Questions

  func lookup(_ query: Query, for session: (any ProviderSession)?) throws(WinsockError) -> Answer {
    if query.serviceClass == .registrations {
      return answer(RegistrationSearch(query, run: store.run, processes: processes.withLock { $0 }))
    }
    // Not its affair: what those say counts that it is.
    if query.restrictions.nameSpace == .email { return Answer([]) }
    let audience = Audience(query, (session as? DirectorySession)?.client)
    if query.flags.contains(.containers), !query.flags.contains(.noContainers) {
      return answer(try ContainerSearch(query, audience))
    }
    var search = try InstanceSearch(query, audience)
    // What an index leads to costs less than the way to another thread.
    let found = search.isDirect ? try store.next(&search) : []
    guard search.isOver else { return answer(search, found) }
    let answer = Answer()
    answer.finish(with: found, search.ending)
    return answer
  }

  private func answer(_ search: some Search, _ first: [QuerySet] = []) -> Answer {
    let progress = SearchInProgress(search, store, searching)
    return Answer(first, more: { progress.goOn(for: $0) }, cancel: { progress.cancel() })
  }

  // MARK: Registrations

  func set(_ registration: Registration, for session: (any ProviderSession)?, _ completion: Completion) {
    guard let session = session as? DirectorySession else { return completion(.notInitialised) }
    do throws(WinsockError) {
      let change = try Change(registration, by: session.client, session: (store.run, session.number), limits)
      if change.endsWithSession, !session.hasRegistered.exchange(true, ordering: .acquiringAndReleasing) {
        processes.withLock { $0[session.number] = session.client.processID }
      }
      store.change(change, completion)
    } catch {
      completion(error)
    }
  }
}

/// A client, and whether something may have to go with it.
private final class DirectorySession: ProviderSession {
  let client: Client
  let number: Int64
  let hasRegistered = Atomic<Bool>(false)

  init(_ client: Client, _ number: Int64) { (self.client, self.number) = (client, number) }
}

/// A search whose records are asked for piece by piece.
private final class SearchInProgress: Sendable {
  private enum State {
    case waiting(any Search)
    case running
    case over
  }

  private let state: Locked<State>
  private let store: Store
  private let queue: WorkQueue

  init(_ search: any Search, _ store: Store, _ queue: WorkQueue) {
    state = Locked(.waiting(search))
    (self.store, self.queue) = (store, queue)
  }

  func cancel() { state.withLock { $0 = .over } }

  /// Looks for the next piece on the queue and delivers it.
  func goOn(for answer: Answer) { queue.async { self.look(for: answer) } }

  private func look(for answer: Answer) {
    let waiting: (any Search)? = state.withLock { state in
      guard case .waiting(let search) = state else { return nil }
      state = .running
      return search
    }
    guard var search = waiting else { return }
    do throws(WinsockError) {
      let found = try store.next(&search)
      if search.isOver { return answer.finish(with: found, search.ending) }
      state.withLock { state in
        if case .running = state { state = .waiting(search) }
      }
      if found.isEmpty { return goOn(for: answer) }
      answer.deliver(found)
    } catch {
      answer.finish(error)
    }
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func nsp_provider_create(_ lpProviderId: LPGUID?, _ lpiError: LPINT?) -> LPVOID? {
  ProviderBox.retained(lpProviderId, lpiError) { settings throws(WinsockError) in try DirectoryProvider(settings) }
}
