import CWinsock
import Providers
import QuerySets
import Sessions

/// Serves the queries and registrations of clients from the providers of a catalog. Any thread may call; every function calls
/// out to providers.
public struct LookupEngine: Sendable {
  public let catalog: Catalog
  public let classes: ClassRegistry
  public let registrations: RegistrationIndex
  private let pool = AsyncCallPool()
  private let refusals = RefusalLog()

  public init(catalog: Catalog) {
    self.catalog = catalog
    registrations = RegistrationIndex()
    classes = ClassRegistry(catalog, registrations)
  }

  /// Opens a lookup (`WSALookupServiceBegin`, nsp.md §8.2): chooses providers and calls Begin at each.
  /// - Parameters:
  ///   - takesAll: Every record will be asked for, with no flags of its own.
  ///   - stopsAtFirst: Providers are asked one after the other, whatever their name space, and the first that delivers supplies everything:
  ///     as glibc asks its services.
  ///   - isForHost: The host itself wants to know: it may ask every provider.
  ///   - id: What the query is called in explanations and logs.
  ///   - failed: Told who was asked, where nobody accepts the query.
  public func begin(
    _ client: ClientSession, _ restrictions: QuerySet, flags: LookupFlags, takesAll: Bool = false, stopsAtFirst: Bool = false,
    isForHost: Bool = false, id: QueryID = .next(), failed: (QueryTrace) -> Void = { _ in }
  ) throws(WinsockError) -> Lookup {
    if CallFrame.depth >= CallFrame.maximumDepth { throw .noRecovery }
    // Who has registered what is for operators: providers rely on that.
    if restrictions.serviceClassID == .registrations, !client.identity.isOperator { throw .accessDenied }
    // Others' registrations are found by name; to list them is for operators.
    let flags = client.identity.isOperator || !restrictions.listsNames(flags) ? flags : flags.subtracting(.allOwners)
    let entries = catalog.entries
    let request = RouteRequest(
      client: client.identity, providerID: restrictions.providerID, nameSpace: restrictions.nameSpace,
      name: restrictions.serviceInstanceName, flags: flags, isChain: stopsAtFirst, isForHost: isForHost)
    let route = try Route(request, in: entries)
    var legs: [Lookup.Leg] = []
    for (place, step) in route.steps.enumerated() {
      switch step {
      case .provider(let one): legs.append(Lookup.Leg(one, chain: nil))
      case .chain(let some): legs += some.map { Lookup.Leg($0, chain: place) }
      }
    }
    var asked = restrictions
    // What a query does not use is not passed on; a NULL context becomes "", because providers copy it unconditionally (§5.5).
    asked.comment = nil
    asked.addresses = []
    asked.outputFlags = 0
    asked.context = restrictions.context ?? ""
    do throws(QuerySetError) { _ = try asked.packedSize(as: .v2) } catch { throw error.winsockError }
    HostLog.write(
      .debug, query: id, "lookup of \(request.name ?? "-"), name space \(request.nameSpace), for \(client.identity)")
    let lookup = Lookup(
      id: id, client: client, restrictions: asked, serviceClass: QueryClass(asked.serviceClassID, classes), flags: flags,
      request: request, catalog: catalog, entries: entries, legs: legs, takesAll: takesAll, pool: pool)
    try lookup.begin(failed)
    return lookup
  }

  /// Registers, deregisters or deletes a service instance (`WSASetService`, nsp.md §8.6) and waits for every provider asked.
  /// - Parameter owner: Whose registration is taken back, for operators; only providers that keep owners apart are asked. Nil: the client's
  ///   own, or another one that the provider lets it take back.
  /// - Returns: What became of it at each provider asked, in the order in which they were asked.
  public func setService(
    _ client: ClientSession, _ registration: QuerySet, operation: RegistrationOperation, flags: UInt32 = 0, owner: UInt32? = nil,
    id: QueryID = .next()
  ) throws(WinsockError) -> [RegistrationOutcome] {
    guard owner == nil || operation != .register && client.identity.isOperator else { throw .accessDenied }
    if CallFrame.depth >= CallFrame.maximumDepth { throw .noRecovery }
    guard registration.serviceInstanceName != nil else { throw .invalidArgument }
    let request = RouteRequest(
      client: client.identity, providerID: registration.providerID, nameSpace: registration.nameSpace,
      name: registration.serviceInstanceName, flags: [])
    let route = try Route(request, in: catalog.entries)
    HostLog.write(
      .debug, query: id, "\(operation) of \(request.name ?? "-"), name space \(request.nameSpace), for \(client.identity)")
    let reservation = operation == .register ? try reservation(of: registration, for: client) : nil
    var given = registration
    given.context = registration.context ?? ""
    if let owner { given.queryString = RegistrationBlob.words(of: owner) }
    let call = RegistrationRequest(
      id: id, client: client, set: given, operation: operation, flags: flags,
      serviceClass: QueryClass(given.serviceClassID, classes), reservation: reservation, owner: owner)
    var outcomes: [RegistrationOutcome] = []
    for step in route.steps {
      switch step {
      case .provider(let one): outcomes.append(try ask(one, call, request))
      case .chain(let some):
        for one in some {
          outcomes.append(try ask(one, call, request))
          if outcomes.last?.failure == nil { break }
        }
      }
    }
    return outcomes
  }

  /// Takes a class from everybody who keeps it (`WSARemoveServiceClass`, nsp.md §7.2). Instances whose owners are gone count only where
  /// their providers still have them.
  public func removeClass(_ client: ClientSession, _ id: GUID) throws(WinsockError) -> [ClassOutcome] {
    guard classes.mayWrite(client.identity) else { throw .accessDenied }
    for orphan in registrations.orphans(of: id) {
      // One that is still there settles it.
      guard isGone(orphan.name, of: id, at: orphan.provider, client) else { break }
      registrations.forget(orphan.name, of: id, at: orphan.provider)
    }
    return try classes.remove(id, for: client.identity)
  }

  /// Whether a provider that answers does not have an instance. One that can't be asked may come back, and have it.
  private func isGone(_ name: String, of serviceClass: GUID, at id: GUID, _ client: ClientSession) -> Bool {
    guard let provider = catalog[id]?.provider else { return false }
    let query = QuerySet(serviceInstanceName: name, serviceClassID: serviceClass, nameSpace: .all, providerID: id)
    var answer = WinsockError.success
    do throws(WinsockError) {
      let lookup = try begin(client, query, flags: [.returnName, .allOwners])
      defer { lookup.end() }
      do throws(LookupError) { _ = try lookup.next() } catch { answer = error.winsockError }
    } catch { answer = error }
    let wasAsked = catalog[id]?.isActive == true && catalog[id]?.provider === provider && !provider.calls.isClosed
    return wasAsked && [.noMore, .serviceNotFound, .hostNotFound, .noData].contains(answer)
  }

  /// Asks a provider that can (`Manifest.listsRegistrations`) what is registered with it. Calls out.
  /// - Parameters:
  ///   - client: An operator's session.
  ///   - take: Given one after the other, in the provider's order; false ends it.
  public func listRegistrations(
    at provider: GUID, _ client: ClientSession, named name: String? = nil, of user: UInt32? = nil,
    _ take: (QuerySet, RegistrationBlob) -> Bool
  ) throws(WinsockError) {
    let query = QuerySet(
      serviceInstanceName: name ?? "", serviceClassID: .registrations, providerID: provider,
      queryString: user.map(RegistrationBlob.words))
    do throws(LookupError) {
      let lookup: Lookup
      do throws(WinsockError) {
        lookup = try begin(client, query, flags: [.returnName, .returnAddress, .returnBlob, .deep])
      } catch { throw .failed(error) }
      defer { lookup.end() }
      while true {
        let record = try lookup.next()
        guard let about = record.blob.flatMap({ RegistrationBlob($0) }) else { continue }
        guard user == nil || about.userID == user else { continue }
        guard name == nil || record.serviceInstanceName?.lowercased() == name?.lowercased() else { continue }
        guard take(record, about) else { return }
      }
    } catch {
      guard [.noMore, .serviceNotFound, .hostNotFound, .noData].contains(error.winsockError) else { throw error.winsockError }
    }
  }

  /// What every provider of one registration is told.
  private struct RegistrationRequest: Sendable {
    var id: QueryID
    var client: ClientSession
    var set: QuerySet
    var operation: RegistrationOperation
    var flags: UInt32
    var serviceClass: QueryClass?
    /// Why nobody may be asked.
    var reservation: String?
    /// Whose registration is taken back; nil: the client's own, or as the provider sees it.
    var owner: UInt32?

    /// For whom it counts, before a provider is asked.
    func right(at provider: Provider) -> RegistrationRight {
      // What is taken back is its owner's: the provider knows.
      guard operation == .register, provider.routines.entry(.setServiceEx) != .stub else { return .asProviderDecides }
      if let reservation { return .refused(reservation) }
      return RegistrationRight(set.serviceInstanceName ?? "", by: client.identity, at: provider.manifest)
    }
  }

  private func ask(
    _ participant: Route.Participant, _ request: RegistrationRequest, _ route: RouteRequest
  ) throws(WinsockError) -> RegistrationOutcome {
    let start = MonotonicTime.now
    guard case .callable(let chosen) = participant.standing, let provider = catalog.enter(chosen) else {
      let finding: Finding =
        if case .down(let outage) = participant.standing { .down(outage) } else {
          route.finding(ofParted: catalog[participant.id])
        }
      return RegistrationOutcome(participant, finding)
    }
    if let scope = provider.scope, scope != request.client.identity.userID {
      provider.calls.leave()
      return RegistrationOutcome(participant, .absent(.serviceNotFound))
    }
    // Others would take back whatever they have.
    if request.owner != nil, !provider.manifest.keepsOwners {
      provider.calls.leave()
      return RegistrationOutcome(participant, .absent(.operationNotSupported))
    }
    // The word of the host, and never of a client.
    var flags = request.flags & ~NSP_SERVICE_FOR_EVERYBODY
    let right = request.right(at: provider)
    if case .refused(let rule) = right {
      provider.calls.leave()
      refusals.note(rule, of: request.client.identity, request.id)
      return RegistrationOutcome(refusal: rule, at: provider)
    }
    if right == .forEverybody, provider.manifest.keepsOwners { flags |= NSP_SERVICE_FOR_EVERYBODY }
    // As long as the client waits: what the provider still owes after that is its session's affair.
    defer { provider.calls.leave() }
    let call: RegistrationCall
    do throws(QuerySetError) {
      call = try RegistrationCall(
        id: request.id, client: request.client, provider: provider, registration: request.set, serviceClass: request.serviceClass
      ) { [registrations] failure in
        registrations.note(
          request.set, request.operation, request.flags, at: provider, by: request.client, of: request.owner, failure)
        if failure == nil { provider.changes.advance() }
      }
    } catch {
      throw error.winsockError
    }
    let called = MonotonicTime.now
    let failure = call.run(request.operation, flags: flags)
    let ending = failure.map { Lookup.finding($0, at: provider, took: MonotonicTime.now - called) }
    registrations.note(
      request.set, request.operation, request.flags, at: provider, by: request.client, of: request.owner, failure)
    if failure == nil { provider.changes.advance() }
    let took = MonotonicTime.now - start
    HostLog.write(.debug, query: request.id, "\(provider.name): \(failure.map(\.symbolicName) ?? "done") after \(took)")
    return RegistrationOutcome(
      name: provider.name, provider: provider, failure: failure, ending: ending, took: took,
      countsForUserOnly: failure == nil && right == .forItsUser && !provider.manifest.isShared)
  }
}

extension QuerySet {
  /// Whether it asks for more than one name.
  fileprivate func listsNames(_ flags: LookupFlags) -> Bool {
    guard let name = serviceInstanceName, !name.isEmpty, !flags.contains(.containers) else { return true }
    return NamePattern.isOne(name)
  }
}

extension [RegistrationOutcome] {
  /// The one code that the client gets (nsp.md §8.6); nil is success.
  public var result: WinsockError? { Finding.registrationAnswer(map(\.failure)) }
}
