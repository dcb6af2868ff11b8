import CWinsock
import Providers
import QuerySets
import Rundown
import Sessions

/// One open query of one client: opened by `LookupEngine.begin`, advanced by `next`, closed by `end`.
///
/// Any thread may call. Nexts on one lookup are served one after the other; `end` may come at any time and makes a waiting
/// Next answer `WSA_E_CANCELLED` without waiting for the provider (nsp.md §8.4, §8.5).
public final class Lookup: ClientResource, AsyncCallOwner {
  public let id: QueryID
  let client: ClientSession
  let restrictions: QuerySet
  private let serviceClass: QueryClass?
  let request: RouteRequest
  private let catalog: Catalog
  private let flags: LookupFlags
  private let pool: AsyncCallPool
  /// All records are wanted, with the same flags: those who fetch them may do so at once.
  private let takesAll: Bool
  let state: Locked<State>
  /// For the answers of providers that keep threads. Used by the Next that has the turn alone.
  nonisolated(unsafe) var patience = Patience()

  init(
    id: QueryID, client: ClientSession, restrictions: QuerySet, serviceClass: QueryClass?, flags: LookupFlags,
    request: RouteRequest,
    catalog: Catalog, entries: [Catalog.Entry], legs: [Leg], takesAll: Bool, pool: AsyncCallPool
  ) {
    self.takesAll = takesAll
    self.id = id
    self.client = client
    self.restrictions = restrictions
    self.serviceClass = serviceClass
    self.flags = flags
    self.request = request
    self.catalog = catalog
    self.pool = pool
    state = Locked(State(legs: legs, entries: entries))
  }

  /// What the client knows it by; dead once the lookup has ended.
  public var handle: Handle? { state.withLock { $0.handle } }

  /// Has somebody decide whether the blocks for records may grow by so many bytes; where they may not, the provider's records are `noBuffers`.
  /// Before the first `next`. Asked under the lookup's lock: the answer calls nobody.
  public func mayGrow(_ decide: @escaping @Sendable (Int) -> Bool) { state.withLock { $0.mayGrow = decide } }

  /// Whether that was the reason of a `noBuffers`.
  public var wasTooLarge: Bool { state.withLock { $0.isTooLarge } }

  /// Has something done when the lookup ends, however that happens; at once where it has. Replaces what was asked for before.
  public func afterEnd(_ action: @escaping @Sendable () -> Void) {
    let isOver = state.withLock { state in
      if state.phase != .ended { state.whenEnded = action }
      return state.phase == .ended
    }
    if isOver { action() }
  }

  // MARK: Begin

  /// Calls Begin at every provider of the route, in order; of a chain only until one accepts. Calls out.
  /// - Parameter failed: Told who was asked, where nobody accepts.
  func begin(_ failed: (QueryTrace) -> Void) throws(WinsockError) {
    var opened = 0
    var settledChain: Int?
    for index in 0..<state.withLock({ $0.legs.count }) {
      let (chain, isDone) = state.withLock { ($0.legs[index].chain, $0.legs[index].isDone) }
      if isDone || chain != nil && chain == settledChain { continue }
      if startLeg(index) {
        opened += 1
        settledChain = chain ?? settledChain
      }
    }
    guard opened > 0 else {
      let answer = state.withLock { $0.phase == .ended ? .cancelled : self.answer($0) }
      failed(trace)
      end()
      throw answer
    }
    guard let handle = client.adopt(self) else {
      end()
      throw .cancelled
    }
    state.withLock { $0.handle = handle }
  }

  /// Why nothing was opened at a provider.
  private struct Failure: Error {
    var status: WinsockError
    var finding: Finding
  }

  /// Startup if need be, then Begin, at one provider. False where that failed, or the client has left meanwhile.
  private func startLeg(_ index: Int) -> Bool {
    let chosen = state.withLock { state in
      state.legs[index].isStarted = true
      state.legs[index].record.wasAsked = true
      return state.legs[index].provider
    }
    let start = MonotonicTime.now
    // Left by `letGo`, or by `openAtProvider` where nothing was opened.
    guard let chosen, let provider = catalog.enter(chosen) else {
      let id = state.withLock { $0.legs[index].id }
      let isGone = chosen?.condition.isGone == true
      return failLeg(index, isGone ? Failure(status: .tryAgain, finding: .down(.gone)) : parted(id), .zero)
    }
    // Who has taken over may be another user's.
    if let scope = provider.scope, scope != client.identity.userID {
      provider.calls.leave()
      return failLeg(index, Failure(status: .serviceNotFound, finding: .absent(.serviceNotFound)), .zero)
    }
    if provider !== chosen { state.withLock { $0.legs[index].provider = provider } }
    let seenChanges = provider.changes.count
    let result: Result<Opened, Failure>
    if provider.isBlocking {
      let attempt = Attempt<Result<Opened, Failure>>()
      HostThreads.run { [self] in
        let outcome = openAtProvider(provider)
        // Too late for the client: what was opened is closed again.
        if !attempt.resolve(outcome), case .success(let opened) = outcome { end(opened) }
      }
      result = attempt.wait(for: provider.deadline) ?? .failure(Failure(status: .tryAgain, finding: .down(.late)))
    } else {
      result = openAtProvider(provider)
    }
    let took = MonotonicTime.now - start
    switch result {
    case .failure(let failure): return failLeg(index, failure, took)
    case .success(let opened):
      let isTooLate = state.withLock { state in
        state.legs[index].record.took += took
        guard state.phase != .ended, !state.legs[index].isDone else { return true }
        state.legs[index].opened = opened
        state.legs[index].seenChanges = seenChanges
        return false
      }
      guard isTooLate else { return true }
      end(opened)
      return false
    }
  }

  private func failLeg(_ index: Int, _ failure: Failure, _ took: Duration) -> Bool {
    state.withLock { state in
      state.legs[index].isDone = true
      state.legs[index].record.status = failure.status
      state.legs[index].record.ending = failure.finding
      state.legs[index].record.took += took
    }
    return false
  }

  /// What is to be said of a provider that was chosen and is being detached.
  private func parted(_ id: GUID) -> Failure {
    let finding = request.finding(ofParted: catalog[id])
    return Failure(status: Finding.answer([finding]) ?? .serviceNotFound, finding: finding)
  }

  /// On success the session's gate was entered; that and the provider's calls are left after End.
  private func openAtProvider(_ provider: Provider) -> Result<Opened, Failure> {
    let session: StartedSession
    let argument: SessionArgument
    let start = MonotonicTime.now
    switch CallFrame.inside(provider, id, client: client.identity, { client.use(provider, query: id.rawValue) }) {
    case .failure(let error):
      provider.calls.leave()
      if provider.gate.isClosed, !provider.condition.isGone { return .failure(parted(provider.id)) }
      let finding = Self.finding(error, at: provider, took: MonotonicTime.now - start, isStartup: true)
      return .failure(Failure(status: error, finding: finding))
    case .success(let used): (session, argument) = used
    }
    guard session.gate.enter() else {
      provider.calls.leave()
      // The client has left, or the provider does.
      return .failure(client.isOpen ? parted(provider.id) : Failure(status: .cancelled, finding: .failed(.cancelled)))
    }
    let called = MonotonicTime.now
    switch callBegin(provider, argument) {
    case .success(let handle): return .success(Opened(session: session, handle: handle))
    case .failure(let error):
      let finding = Self.finding(error, at: provider, took: MonotonicTime.now - called)
      Self.letGo(session)
      return .failure(Failure(status: error, finding: finding))
    }
  }

  private func callBegin(_ provider: Provider, _ argument: SessionArgument) -> Result<ProviderLookupHandle, WinsockError> {
    do throws(QuerySetError) {
      let size = try restrictions.packedSize(as: .v2)
      return try withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) {
        buffer throws(QuerySetError) -> Result<ProviderLookupHandle, WinsockError> in
        try restrictions.pack(as: .v2, into: buffer)
        let pointer = buffer.baseAddress!.assumingMemoryBound(to: WSAQUERYSET2W.self)
        let ahead = takesAll ? LookupFlags.effective(begin: flags, next: []).subtracting(.flushPrevious) : nil
        let given = provider.manifest.isShared ? flags.union(.allOwners) : flags
        let context = CallContext(
          query: id.rawValue, serviceClass: serviceClass?.context(at: provider), readsAhead: ahead)
        return CallFrame.inside(provider, id, serviceClass: serviceClass) {
          provider.call {
            $0.lookupServiceBegin(provider.id, restrictions: pointer, flags: given, argument: argument, context)
          } ?? .failure(.tryAgain)
        }
      }
    } catch {
      return .failure(error.winsockError)
    }
  }

  /// Calls End at a provider, after which this lookup no longer holds it. Calls out.
  private func end(_ opened: Opened) {
    let provider = opened.session.provider
    _ = CallFrame.inside(provider, id) { provider.end(as: .end(opened.handle.word)) { $0.lookupServiceEnd(opened.handle) } }
    Self.letGo(opened.session)
  }

  private static func letGo(_ session: StartedSession) {
    session.gate.leave()
    session.provider.calls.leave()
  }

  // MARK: Next

  /// Gives the next record to `consume`, waiting for it if need be. A record that `consume` refuses with `bufferTooSmall` is
  /// kept for the next call (nsp.md §9.2).
  public func next<T>(
    _ nextFlags: LookupFlags = [], consume: (QuerySetView) throws(QuerySetError) -> T
  ) throws(LookupError) -> T {
    if CallFrame.depth >= CallFrame.maximumDepth { throw .failed(.noRecovery) }
    let turn: NextTicket? = try takeTurn()
    if let turn, !turn.waitForTurn() { throw .failed(.cancelled) }
    defer { passTurn() }
    switch answer(nextFlags) {
    case .failure(let error): throw .failed(error)
    case .success: return try take(nextFlags, consume)
    }
  }

  /// The next record as a value.
  public func next(_ nextFlags: LookupFlags = []) throws(LookupError) -> QuerySet {
    try next(nextFlags) { (view: QuerySetView) throws(QuerySetError) in QuerySet(view) }
  }

  /// The next record packed as a `WSAQUERYSETW` into the caller's buffer; every pointer in it leads into the buffer.
  public func next(_ nextFlags: LookupFlags = [], into buffer: UnsafeMutableRawBufferPointer) throws(LookupError) {
    try next(nextFlags) { (view: QuerySetView) throws(QuerySetError) in try view.pack(as: .v1, into: buffer) }
  }

  private func takeTurn() throws(LookupError) -> NextTicket? {
    let (isEnded, ticket): (Bool, NextTicket?) = state.withLock { state in
      switch state.phase {
      case .ended: return (true, nil)
      case .idle:
        state.phase = .busy
        return (false, nil)
      case .busy:
        let ticket = NextTicket()
        state.queue.append(ticket)
        return (false, ticket)
      }
    }
    if isEnded { throw .failed(.invalidHandle) }
    return ticket
  }

  private func passTurn() {
    let next: NextTicket? = state.withLock { state in
      guard state.phase == .busy else { return nil }
      if state.queue.isEmpty {
        state.phase = .idle
        return nil
      }
      return state.queue.removeFirst()
    }
    next?.giveTurn(true)
  }

  /// Drives the query until a record or the end is there. Runs the provider's routine on this thread unless it is known to
  /// keep threads.
  private func answer(_ nextFlags: LookupFlags) -> Result<Void, WinsockError> {
    let effective = LookupFlags.effective(begin: flags, next: nextFlags)
    if nextFlags.contains(.flushPrevious) { state.withLock { $0.holdsRecord = false } }
    if case .done(let result) = drive(effective, mayBlock: false) { return result }
    let ticket = NextTicket()
    let early: Result<Void, WinsockError>? = state.withLock { state in
      if state.phase == .ended { return .failure(.cancelled) }
      if let answer = state.answer {
        state.answer = nil
        return answer
      }
      state.waiting = ticket
      return nil
    }
    return early ?? wait(ticket)
  }

  private func take<T>(
    _ nextFlags: LookupFlags, _ consume: (QuerySetView) throws(QuerySetError) -> T
  ) throws(LookupError) -> T {
    // The record stays where it is while this Next has the turn; End leaves it alone.
    guard let call = state.withLock({ $0.holdsRecord ? $0.call : nil }) else { throw .failed(.cancelled) }
    do throws(QuerySetError) {
      var view = try QuerySetView(
        reading: UnsafePointer(call.record.start.assumingMemoryBound(to: WSAQUERYSETW.self)), in: .own)
      view.narrow(to: LookupFlags.effective(begin: flags, next: nextFlags))
      let taken = try consume(view)
      state.withLock { $0.holdsRecord = false }
      return taken
    } catch {
      if case .bufferTooSmall(let needed) = error { throw .bufferTooSmall(needed: needed) }
      state.withLock { $0.holdsRecord = false }
      throw .failed(error.winsockError)
    }
  }

  // MARK: Driving

  private enum Progress {
    case done(Result<Void, WinsockError>)
    /// Goes on elsewhere; the answer comes to `waiting`.
    case elsewhere
  }

  private enum Move {
    case answer(Result<Void, WinsockError>)
    case start(Int)
    case call(Int, AsyncCall, Opened)
  }

  private func drive(_ effective: LookupFlags, mayBlock: Bool) -> Progress {
    while true {
      switch state.withLock({ nextMove(&$0) }) {
      case .answer(let result): return .done(result)
      case .start(let index):
        _ = startLeg(index)
      case .call(let index, let call, let opened):
        let provider = opened.session.provider
        if provider.isBlocking, !mayBlock {
          HostThreads.run { [self] in goOn(effective, mayBlock: true) }
          return .elsewhere
        }
        let delivery = AsyncCall.Delivery(
          keep: effective, provider: provider.id, nameSpaces: provider.manifest.nameSpaces, requested: restrictions.nameSpace,
          serviceClassID: restrictions.serviceClassID)
        let purpose = CallPurpose(query: id, leg: index, flags: effective)
        guard let armed = call.arm(session: opened.session, owner: self, purpose: purpose, delivery: delivery) else {
          let ending: Finding = client.isOpen ? parted(provider.id).finding : .failed(.cancelled)
          state.withLock { fail(&$0, index, .cancelled, ending) }
          continue
        }
        let isOpen = state.withLock { state in
          // Ended or dropped meanwhile: its End has been called or is about to be, and no NextEx may begin behind that (nsp.md T3).
          guard state.legs[index].opened != nil else { return false }
          state.armed = armed.number
          state.legs[index].isInNext = !provider.isBlocking
          state.legs[index].seenChanges = provider.changes.count
          state.legs[index].record.calledAt = .now
          return true
        }
        guard isOpen else {
          _ = AsyncCall.complete(armed.handle.pointer, code: WSATRY_AGAIN)
          _ = call.routineReturned()
          continue
        }
        if mayBlock { scheduleDeadline(purpose, provider, armed.number) }
        call.length.pointee = UInt32(call.block.capacity)
        let called: Void? = CallFrame.inside(provider, id) {
          provider.call(as: .next(opened.handle.word), while: { call.isUnanswered }) { routines in
            routines.lookupServiceNextEx(
              asyncCall: armed.handle.pointer, lookup: opened.handle, flags: effective.subtracting(.flushPrevious),
              length: call.length, block: call.block.start.assumingMemoryBound(to: WSAQUERYSET2W.self),
              CallContext(query: id.rawValue))
          }
        }
        // Ended or given up before its turn came: the provider never hears of it.
        if called == nil { _ = AsyncCall.complete(armed.handle.pointer, code: WSATRY_AGAIN) }
        if !mayBlock, call.isUnanswered { scheduleDeadline(purpose, provider, armed.number) }
        let returned = call.routineReturned()
        left(index) { $0.isInNext = false }
        switch returned {
        case .proceed(let outcome): received(outcome, index, call)
        case .wait, .abandoned, .releaseAbandoned: return .elsewhere
        }
      }
    }
  }

  /// What to do next, from the state alone.
  private func nextMove(_ state: inout State) -> Move {
    if state.phase == .ended { return .answer(.failure(.cancelled)) }
    if state.holdsRecord { return .answer(.success(())) }
    while state.current < state.legs.count {
      let leg = state.legs[state.current]
      if leg.isDone {
        state.current += 1
      } else if !leg.isStarted {
        return .start(state.current)
      } else if let opened = leg.opened {
        let call = state.call ?? pool.take()
        state.call = call
        return .call(state.current, call, opened)
      } else {
        state.current += 1
      }
    }
    let end = state.delivered > 0 || state.hasSaidEnd ? WinsockError.noMore : answer(state)
    state.hasSaidEnd = true
    return .answer(.failure(end))
  }

  /// Takes in what a provider's completion said.
  private func received(_ outcome: CallOutcome, _ index: Int, _ call: AsyncCall) {
    state.withLock { state in
      state.armed = nil
      state.deadline = nil
      let took = state.legs[index].record.complete(at: outcome.arrived)
      switch outcome.failure {
      case nil:
        state.growths = 0
        state.delivered += 1
        state.holdsRecord = true
        state.legs[index].record.results += 1
        settleChain(&state, index)
      case .fault?:
        state.growths += 1
        let demanded = Int(outcome.demandedLength)
        if demanded > 1 << 20 {
          fail(&state, index, .noBuffers, .failed(.noBuffers))
        } else if demanded <= call.block.capacity || state.growths > 2 {
          fail(&state, index, .systemCallFailure, Finding(.systemCallFailure))
        } else if state.mayGrow?(2 * (demanded - call.block.capacity)) == false {
          // As much again for the host's copy of the record.
          state.isTooLarge = true
          fail(&state, index, .noBuffers, .failed(.noBuffers))
        } else {
          call.block.reserve(demanded)
        }
      case .noMore?:
        state.legs[index].isDone = true
        state.legs[index].record.ending = .notFound
      case let failure?:
        let ending = state.legs[index].provider.map { Self.finding(failure, at: $0, took: took) } ?? Finding(failure)
        fail(&state, index, failure, ending)
      }
    }
  }

  func fail(_ state: inout State, _ index: Int, _ error: WinsockError, _ ending: Finding) {
    state.growths = 0
    state.legs[index].isDone = true
    state.legs[index].record.status = error
    // Of one that was let go of meanwhile that is known already.
    state.legs[index].record.ending = state.legs[index].record.ending ?? ending
  }

  /// The first of a chain that delivers supplies everything.
  private func settleChain(_ state: inout State, _ index: Int) {
    guard let chain = state.legs[index].chain else { return }
    for other in state.legs.indices where other != index && state.legs[other].chain == chain {
      state.legs[other].isDone = true
    }
  }

  // MARK: Going on elsewhere

  func resume(_ purpose: CallPurpose, _ call: AsyncCall, _ outcome: CallOutcome) {
    received(outcome, purpose.leg, call)
    goOn(purpose.flags, mayBlock: true)
  }

  /// Drives on a thread of the host and answers the Next that waits.
  func goOn(_ effective: LookupFlags, mayBlock: Bool) {
    guard case .done(let result) = drive(effective, mayBlock: mayBlock) else { return }
    let ticket: NextTicket? = state.withLock { state in
      guard let waiting = state.waiting else {
        state.answer = result
        return nil
      }
      state.waiting = nil
      return waiting
    }
    ticket?.answer(result)
  }

  // MARK: End

  /// Ends the lookup: a waiting Next is answered at once, then every provider that accepted gets its End. Calls out.
  public func end() {
    struct Work {
      var tickets: [NextTicket] = []
      var waiting: NextTicket?
      var opened: [Opened] = []
      var idleCall: AsyncCall?
      var whenEnded: (@Sendable () -> Void)?
      var notices: [ChangeNotice] = []
    }
    let lines = HostLog.isOpen(for: .debug) ? trace.lines : []
    let work: Work? = state.withLock { state in
      guard state.phase != .ended else { return nil }
      var work = Work()
      let wasBusy = state.phase == .busy
      state.phase = .ended
      work.tickets = state.queue
      state.queue = []
      work.waiting = state.waiting
      state.waiting = nil
      state.deadline = nil
      if let number = state.armed, let call = state.call {
        _ = call.abandon(number: number)
        state.armed = nil
      } else if !wasBusy {
        work.idleCall = state.call
        state.call = nil
      }
      for index in state.legs.indices {
        if let opened = takeOut(&state, index) { work.opened.append(opened) }
      }
      state.entries = []
      work.notices = state.notices
      work.whenEnded = state.whenEnded.take()
      return work
    }
    guard let work else { return }
    work.whenEnded?()
    for line in lines { HostLog.write(.debug, query: id, "\(line.provider): \(line.verdict.text)") }
    if let handle { client.forget(handle) }
    work.waiting?.answer(.failure(.cancelled))
    for ticket in work.tickets { ticket.giveTurn(false) }
    for notice in work.notices { notice.complete(.operationAborted) }
    for opened in work.opened { endAtProvider(opened) }
    if let call = work.idleCall { pool.give(call) }
  }

  public func drop(_ provider: Provider) {
    // What it has not said by now it does not say any more.
    let ending = provider.condition.isGone ? .down(.gone) : parted(provider.id).finding
    let (dropped, notices): ([Opened], [ChangeNotice]) = state.withLock { state in
      for index in state.entries.indices where state.entries[index].provider === provider {
        state.entries[index].provider = nil
      }
      var dropped: [Opened] = []
      for index in state.legs.indices where state.legs[index].provider === provider {
        if let opened = takeOut(&state, index) { dropped.append(opened) }
        if !state.legs[index].isDone { state.legs[index].record.ending = ending }
        state.legs[index].isDone = true
      }
      return (dropped, state.notices.filter { $0.provider === provider })
    }
    // What it delivered is no longer what there is.
    for notice in notices { notice.complete(nil) }
    for opened in dropped { endAtProvider(opened) }
  }

  /// After this the leg no longer keeps its provider. Nil also where the End waits for a routine to return. One that waits in its NextEx
  /// for the End, and has not said that it does so (`blocking`), gets it after its deadline.
  func takeOut(_ state: inout State, _ index: Int) -> Opened? {
    guard let opened = state.legs[index].opened else { return nil }
    (state.legs[index].opened, state.legs[index].provider) = (nil, nil)
    guard state.legs[index].controls > 0 || state.legs[index].isInNext else { return opened }
    state.legs[index].endsLater = opened
    if state.legs[index].isInNext {
      HostTimers.after(opened.session.provider.deadline) { [self] in
        left(index) { $0.isInNext = false }
      }
    }
    return nil
  }

  /// A routine of a leg's has returned, or is no longer waited for. An End that came meanwhile follows, when it is the last.
  func left(_ index: Int, _ change: (inout Leg) -> Void) {
    let opened: Opened? = state.withLock { state in
      change(&state.legs[index])
      return state.legs[index].controls == 0 && !state.legs[index].isInNext ? state.legs[index].endsLater.take() : nil
    }
    if let opened { endAtProvider(opened) }
  }

  func endAtProvider(_ opened: Opened) {
    if opened.session.provider.isBlocking { HostThreads.run { self.end(opened) } } else { end(opened) }
  }
}
