import CWinsock
import Dispatch
import Providers
import QuerySets
import Rundown
import ServiceClasses
import Sessions

/// What became of a class at one of those that keep classes.
public struct ClassOutcome: Sendable {
  public var providerID: GUID
  public var provider: String
  /// Nil: done.
  public var failure: WinsockError?
  /// It has not answered at all: what becomes of the change there is open.
  var isOpen = false
}

/// Installs, removes and finds service classes at the schema provider and at version 1 providers (nsp.md §7.2, §7.4).
///
/// Any thread may call; every function may call out.
public final class ClassRegistry: Sendable {
  private let catalog: Catalog
  private let registrations: RegistrationIndex
  private let state = Locked<State>(State())

  private struct State {
    var schema: SchemaProvider?
    var writers: AccessList?
  }

  /// One change at a time: what two changes of a class come to is the same everywhere.
  private let turn = Turn()
  private static let patience: Duration = .seconds(10)

  /// How long a plugin that keeps whole classes may keep a lookup waiting: beyond it the lookup goes on without what it knows.
  static let schemaPatience: Duration = .milliseconds(250)

  init(_ catalog: Catalog, _ registrations: RegistrationIndex) {
    (self.catalog, self.registrations) = (catalog, registrations)
  }

  /// Uses the host's own schema provider from now on, which the catalog has.
  func use(_ schema: SchemaProvider, writers: AccessList?) {
    state.withLock { ($0.schema, $0.writers) = (schema, writers) }
  }

  /// Nobody asks any more: what is kept of classes reaches its lasting place.
  func close() { state.withLock { $0.schema }?.close() }

  /// The host's own schema provider, where it is enabled.
  public var schema: SchemaProvider? {
    guard let schema = state.withLock({ $0.schema }), catalog[SchemaProvider.id]?.isActive == true else { return nil }
    return schema
  }

  /// Whether a client may install and remove classes: root, the host's own user, and whom the configuration names.
  public func mayWrite(_ client: ClientIdentity) -> Bool {
    client.isOperator || state.withLock { $0.writers }?.admits(user: client.userID, group: client.groupID) == true
  }

  // MARK: Finding

  /// What the first knows that keeps whole classes: the host's own, then plugins in catalog order.
  func schemaAnswer(for id: GUID) -> ServiceClass? {
    if let known = schema?.serviceClass(id) { return known }
    for entry in catalog.entries where entry.manifest.storesClasses && entry.isActive {
      guard let provider = entry.provider, let version1 = provider.version1 else { continue }
      if case .success(let known)? = askSoon(provider, version1, id) { return known }
    }
    return nil
  }

  /// What a provider keeps of a class that is asked for on its account.
  func ownAnswer(of provider: Provider, for id: GUID) -> ServiceClass? {
    // Of one that keeps whole classes it is known already.
    guard let version1 = provider.version1, !provider.manifest.storesClasses else { return nil }
    return try? askSoon(provider, version1, id)?.get()
  }

  /// What a provider knows of a class, if it says so soon.
  private func askSoon(_ provider: Provider, _ version1: any ServiceClassRoutines, _ id: GUID) -> Result<
    ServiceClass, WinsockError
  >? {
    // Its own routine asks, in its own turn.
    if CallFrame.current?.provider === provider { return version1.serviceClass(id) }
    if provider.lateClassCalls.load(ordering: .acquiring) > 0 { return nil }
    // Not all of its places are for questions.
    let patience = min(provider.deadline, Self.schemaPatience)
    guard provider.classQuestions.wait(timeout: .now() + patience.dispatchInterval) == .success else { return nil }
    let answered: @Sendable () -> Void = { provider.classQuestions.signal() }
    return ask(provider, within: patience, whenAnswered: answered) { version1.serviceClass(id) }
  }

  /// What one provider keeps of a class (`WSAGetServiceClassInfo`).
  public func serviceClass(_ id: GUID, at provider: GUID, for client: ClientIdentity) throws(WinsockError) -> ServiceClass {
    guard let entry = catalog[provider] else { throw .invalidArgument }
    guard entry.isActive else { throw .serviceNotFound }
    guard mayUse(entry, client) else { throw .accessDenied }
    if entry.manifest.source == .builtIn {
      guard let known = schema?.serviceClass(id) else { throw .typeNotFound }
      return known
    }
    guard let provider = entry.provider else {
      throw entry.awaitedProcess != nil || entry.death != nil
        ? .tryAgain : entry.failure == nil ? .serviceNotFound : .providerFailedInit
    }
    guard let version1 = provider.version1 else { throw .operationNotSupported }
    let answer = ask(provider, within: provider.deadline) { version1.serviceClass(id) }
    return try (answer ?? .failure(.tryAgain)).get()
  }

  /// The first answer to what a class is called: of those that keep whole classes, then of every provider in catalog order
  /// (`WSAGetServiceClassNameByClassId`). Each may take its time.
  public func name(of id: GUID, for client: ClientIdentity) throws(WinsockError) -> String {
    if let known = schema?.serviceClass(id) { return known.name }
    for entry in keepers where mayUse(entry, client) {
      if let known = try? serviceClass(id, at: entry.id, for: client) { return known.name }
    }
    throw .typeNotFound
  }

  /// Who keeps a class: at each provider that knows it, as much as that keeps. One that takes its time is not waited for.
  public func keepers(of id: GUID, for client: ClientIdentity) -> [(provider: String, known: ServiceClass)] {
    var found: [(String, ServiceClass)] = []
    if let entry = catalog[SchemaProvider.id], let known = schema?.serviceClass(id) {
      found.append((entry.manifest.displayName, known))
    }
    for entry in keepers where mayUse(entry, client) {
      guard let provider = entry.provider, let version1 = provider.version1 else { continue }
      if case .success(let known)? = askSoon(provider, version1, id) { found.append((entry.manifest.displayName, known)) }
    }
    return found
  }

  // MARK: Changing

  /// Gives a class to everybody who keeps classes (`WSAInstallServiceClass`). One that refuses does not undo what others have done.
  /// - Returns: What became of it at each, the schema first, in the order in which they were asked; `installation` is what a client is
  ///   told. Throws where nobody was asked, or the first of those that keep whole classes has the id already.
  public func install(_ new: ServiceClass, for client: ClientIdentity) throws(WinsockError) -> [ClassOutcome] {
    guard mayWrite(client) else { throw .accessDenied }
    do throws(QuerySetError) { try new.check() } catch { throw .invalidArgument }
    return try inTurn { () throws(WinsockError) in try installInTurn(new) }
  }

  private func installInTurn(_ new: ServiceClass) throws(WinsockError) -> [ClassOutcome] {
    let schema = schema
    var outcomes: [ClassOutcome] = []
    if let schema {
      // A host that was ended while it removed the class has not told everybody.
      for change in schema.unfinished where change.serviceClass.id == new.id && !change.isInstalled {
        guard finish(change, schema) else { throw .tryAgain }
      }
      let failure = failure { () throws(WinsockError) in try schema.install(new) }
      if failure == .alreadyInProgress { throw .alreadyInProgress }
      outcomes.append(outcome(failure))
    }
    let isFirst = schema == nil
    // Whoever may change classes changes them everywhere.
    for (index, entry) in keepers.enumerated() {
      let outcome = change(entry) { $0.install(new) }
      if isFirst, index == 0, entry.manifest.storesClasses, outcome.failure == .alreadyInProgress { throw .alreadyInProgress }
      outcomes.append(outcome)
    }
    settle(schema, new.id, isInstalled: true, outcomes)
    tell("installed", new.id, outcomes)
    return outcomes
  }

  /// Takes a class from everybody who keeps it; `removal` is what a client is told. Instances that are registered keep it there: see
  /// `LookupEngine.removeClass`.
  public func remove(_ id: GUID, for client: ClientIdentity) throws(WinsockError) -> [ClassOutcome] {
    guard mayWrite(client) else { throw .accessDenied }
    return try inTurn { () throws(WinsockError) in try removeInTurn(id) }
  }

  private func removeInTurn(_ id: GUID) throws(WinsockError) -> [ClassOutcome] {
    guard !registrations.references(id) else { throw .tooManyReferences }
    let schema = schema
    var outcomes: [ClassOutcome] = []
    if let schema {
      let failure = failure { () throws(WinsockError) in try schema.remove(id) }
      // What it can't take away is there again in a moment.
      if failure == .systemCallFailure { throw .systemCallFailure }
      outcomes.append(outcome(failure))
    }
    outcomes += keepers.map { entry in change(entry) { $0.removeClass(id) } }
    settle(schema, id, isInstalled: false, outcomes)
    tell("removed", id, outcomes)
    return outcomes
  }

  /// Tells the providers of what a host before this one was ended in the middle of. For hosts that serve others, when their providers
  /// are loaded.
  public func finishChanges() {
    guard let schema else { return }
    _ = try? inTurn { () throws(WinsockError) in
      for change in schema.unfinished { _ = finish(change, schema) }
      return []
    }
  }

  /// Whether everybody has answered.
  private func finish(_ begun: (isInstalled: Bool, serviceClass: ServiceClass), _ schema: SchemaProvider) -> Bool {
    let known = begun.serviceClass
    let outcomes = keepers.map { entry in
      change(entry, isRepeated: true) { begun.isInstalled ? $0.install(known) : $0.removeClass(known.id) }
    }
    return settle(schema, known.id, isInstalled: begun.isInstalled, outcomes)
  }

  /// A change is over when everybody has answered. One that has not is told again when its answer to something else has come, by the next
  /// change of the class, or by the next host.
  @discardableResult
  private func settle(_ schema: SchemaProvider?, _ id: GUID, isInstalled: Bool, _ outcomes: [ClassOutcome]) -> Bool {
    guard let schema, !outcomes.contains(where: \.isOpen) else { return false }
    schema.settle(id, isInstalled: isInstalled)
    if let defect = schema.defect { HostLog.write(.warning, provider: "schema", "\(defect.detail): \(defect.remedy)") }
    return true
  }

  /// `WSATRY_AGAIN` where another change takes so long.
  private func inTurn(_ work: () throws(WinsockError) -> [ClassOutcome]) throws(WinsockError) -> [ClassOutcome] {
    var outcomes: [ClassOutcome] = []
    let isDone = try turn.take(within: Self.patience) { () throws(WinsockError) in outcomes = try work() }
    guard isDone else { throw .tryAgain }
    return outcomes
  }

  private func failure(_ body: () throws(WinsockError) -> Void) -> WinsockError? {
    do throws(WinsockError) { try body() } catch { return error }
    return nil
  }

  private func outcome(_ failure: WinsockError?) -> ClassOutcome {
    ClassOutcome(
      providerID: SchemaProvider.id, provider: catalog[SchemaProvider.id]?.manifest.displayName ?? "schema", failure: failure)
  }

  private func tell(_ verb: String, _ id: GUID, _ outcomes: [ClassOutcome]) {
    // Where nobody has done it, whoever asked is told.
    guard outcomes.contains(where: { $0.failure == nil }) else { return }
    for outcome in outcomes {
      guard let failure = outcome.failure, failure != .operationNotSupported, failure != .typeNotFound else { continue }
      HostLog.write(.warning, provider: outcome.provider, "class \(id) is not \(verb): \(failure)")
    }
  }

  // MARK: Asking providers

  /// A class is shown to those who may use who keeps it.
  private func mayUse(_ entry: Catalog.Entry, _ client: ClientIdentity) -> Bool {
    RouteRequest(client: client, nameSpace: .all, flags: []).isAdmitted(to: entry)
  }

  /// The providers that take classes: those that keep whole ones first, each in catalog order.
  private var keepers: [Catalog.Entry] {
    let able = catalog.entries.filter { $0.isActive && $0.provider?.version1 != nil }
    return able.filter(\.manifest.storesClasses) + able.filter { !$0.manifest.storesClasses }
  }

  /// - Parameter isRepeated: It was asked before, and was late: its answer, when it comes, is no reason to ask again.
  private func change(
    _ entry: Catalog.Entry, isRepeated: Bool = false, _ routine: @escaping @Sendable (any ServiceClassRoutines) -> WinsockError?
  ) -> ClassOutcome {
    var outcome = ClassOutcome(providerID: entry.id, provider: entry.manifest.displayName)
    guard let provider = entry.provider, let version1 = provider.version1 else { return outcome }
    // An earlier change may still be under way there, and would come behind this one.
    let answer = ask(provider, within: provider.deadline, tellsWhenLate: !isRepeated) { Answer(failure: routine(version1)) }
    (outcome.failure, outcome.isOpen) = (answer == nil ? .tryAgain : answer?.failure, answer == nil)
    return outcome
  }

  private struct Answer: Sendable { var failure: WinsockError? }

  /// Calls a routine on a thread of the host that may be left behind. Nil when the time is over: then what it answers counts for
  /// nobody; and without a call, while it still owes such an answer.
  /// - Parameters:
  ///   - tellsWhenLate: A late answer makes room for what it was in the way of.
  ///   - whenAnswered: Done when the routine has returned, or was not called.
  private func ask<Answer: Sendable>(
    _ provider: Provider, within patience: Duration, tellsWhenLate: Bool = true,
    whenAnswered: @escaping @Sendable () -> Void = {},
    _ routine: @escaping @Sendable () -> Answer
  ) -> Answer? {
    guard CallFrame.depth < CallFrame.maximumDepth, provider.lateClassCalls.load(ordering: .acquiring) <= 0 else {
      whenAnswered()
      return nil
    }
    let attempt = Attempt<Answer?>()
    HostThreads.run { [self] in
      let answer = CallFrame.inside(provider, QueryID.next()) { provider.call(while: { attempt.isOpen }) { _ in routine() } }
      whenAnswered()
      guard !attempt.resolve(answer) else { return }
      // Counted, because it may come before it is known to be late.
      provider.lateClassCalls.subtract(1, ordering: .acquiringAndReleasing)
      if tellsWhenLate { finishChanges() }
    }
    if let answer = attempt.wait(for: patience) { return answer }
    provider.lateClassCalls.add(1, ordering: .acquiringAndReleasing)
    return nil
  }
}

extension [ClassOutcome] {
  /// The one code that a client gets for an installation: success if one has it, else the first failure that is not
  /// `WSAEOPNOTSUPP` (nsp.md §7.2).
  public var installation: WinsockError? {
    if contains(where: { $0.failure == nil }) { return nil }
    return first { $0.failure != .operationNotSupported }?.failure ?? .operationNotSupported
  }

  /// And for a removal: `WSATYPE_NOT_FOUND` where nobody knew the class.
  public var removal: WinsockError? {
    if contains(where: { $0.failure == nil }) { return nil }
    return first { ![.operationNotSupported, .typeNotFound].contains($0.failure) }?.failure ?? .typeNotFound
  }
}

/// Service classes, as part of a host.
extension ProviderHost {
  /// Keeps service classes at the host's own schema provider, which becomes part of the catalog, behind those that are in it.
  /// - Parameter writers: Who may install and remove classes, besides root and the host's own user.
  public func keepClasses(in schema: SchemaProvider, writers: AccessList? = nil) {
    var manifest = Manifest(
      id: SchemaProvider.id, displayName: "schema", nameSpace: .all, storesClasses: true, source: .builtIn)
    manifest.order = .max
    // No queries: where programs look for a provider of names, they do not find it.
    manifest.nameSpaces = ServedNameSpaces(.all, listed: [.localName])
    keeping.withLock { $0 }.settle(&manifest)
    try? catalog.install(manifest)
    engine.classes.use(schema, writers: writers)
    arrange()
  }
}
