import CWinsock
import Dispatch
import Glibc
import Hosting
import Providers
import QuerySets
import Rundown
import Synchronization
import Wire
import WireValues

/// A provider in another process, which has advertised it: its routines are calls over channels to that process (docs/wire.md).
///
/// When the process is gone every call is answered with `WSATRY_AGAIN`, those that it still owes too.
final class AdvertisedProvider: ProviderRoutines, ServiceClassRoutines {
  let id: GUID
  let name: String
  let traits: ProviderTraits
  let majorVersion: UInt32 = 0
  let minorVersion: UInt32 = 0
  private let missing: MissingRoutines
  /// How long one call may take before whoever waits is answered without it.
  private let deadline: Duration
  /// How long a routine may keep its channel before its process counts as hung.
  private let grace: Duration
  /// An End is over when it has returned: its process does not see to it itself that so many routines run at a time.
  private let answersEnds: Bool
  /// An End is sent when the NextEx of its lookup has returned.
  private let endsWait: Bool
  private let channels: CallChannels
  private let isOver = Atomic<Bool>(false)
  private let lastNumber = Atomic<UInt64>(0)
  /// What the provider's process owes, by the host's numbers.
  private let owed = Locked<[UInt64: AwaitedOutcome]>([:])
  private let lookups = HandleTable<RemoteLookup>(kind: 28)
  /// Events that the provider is to set, by the host's numbers.
  private let changes = Locked<[UInt64: Event]>([:])
  private let whenHung: @Sendable () -> Void

  /// An event of the engine's, which is known by its handle alone.
  private struct Event: @unchecked Sendable {
    let handle: UnsafeMutableRawPointer
  }

  /// A lookup as both sides know it.
  final class RemoteLookup: Sendable {
    let handle: UInt64
    let session: UInt64
    /// What was fetched ahead, in order; and the outcome that had no room.
    private let ready: Locked<[AwaitedOutcome]>
    private let last = Locked<AwaitedOutcome?>(nil)
    private let numbers = Locked<[UInt64]>([])
    /// Entered by each NextEx that the provider was asked for, until that has returned or never will.
    let nexts = DispatchGroup()

    init(_ handle: UInt64, _ session: UInt64, ready: [AwaitedOutcome]) {
      (self.handle, self.session) = (handle, session)
      self.ready = Locked(ready)
    }

    /// What answers the next call without asking; nil where the provider must be asked.
    func next() -> AwaitedOutcome? {
      if let last = last.withLock({ $0 }), last.isKept { return last }
      let next = ready.withLock { $0.isEmpty ? nil : $0.removeFirst() }
      last.withLock { $0 = next }
      return next
    }

    func note(_ outcome: AwaitedOutcome) { last.withLock { $0 = outcome } }

    /// The numbers of events that the provider was asked to set for it.
    var events: [UInt64] { numbers.withLock { $0 } }
    func note(event number: UInt64) { numbers.withLock { $0.append(number) } }
  }

  /// - Parameters:
  ///   - routines: Those that it has.
  ///   - answersEnds: Ends are waited for.
  ///   - send: Sends a descriptor to the provider's process.
  ///   - whenHung: Told of each call that takes longer than the grace.
  init(
    _ manifest: Manifest, _ routines: Set<ProviderRoutine>, traits: ProviderTraits, answersEnds: Bool, maximumChannels: Int,
    send: @escaping @Sendable (Int32) -> Bool, whenHung: @escaping @Sendable () -> Void
  ) {
    (self.answersEnds, endsWait) = (answersEnds, manifest.endsWait)
    (id, name) = (manifest.id, manifest.displayName)
    self.traits = traits
    missing = MissingRoutines(besides: routines)
    deadline = manifest.deadline ?? Provider.defaultDeadline
    grace = manifest.grace ?? deadline + Self.defaultGrace
    channels = CallChannels(maximum: maximumChannels, grace: grace, send: send, whenHung: whenHung)
    self.whenHung = whenHung
  }

  static let defaultGrace: Duration = .seconds(5)

  /// The process is gone, or has taken its provider back: every call is answered now.
  /// - Returns: The routines that were running.
  @discardableResult
  func hangUp() -> [ProviderCall] {
    guard !isOver.exchange(true, ordering: .acquiringAndReleasing) else { return [] }
    let running = channels.hangUp()
    let left = owed.withLock { owed in
      defer { owed = [:] }
      return Array(owed.values)
    }
    for one in left { hungUp(one) }
    return running
  }

  /// The provider's process has completed a call after its routine had returned.
  func completed(_ number: UInt64, _ outcome: AwaitedOutcome.Outcome) {
    if let one = owed.withLock({ $0.removeValue(forKey: number) }) { return one.arrived(outcome) }
    if let event = changes.withLock({ $0.removeValue(forKey: number) }) { _ = WSASetEvent(event.handle) }
  }

  func entry(_ routine: ProviderRoutine) -> RoutineEntry { missing.contains(routine) ? .stub : .proxy }
  func interceptions(_ routine: ProviderRoutine) -> Int { missing.interceptions(routine) }

  // MARK: Calls

  private func nextNumber() -> UInt64 { lastNumber.add(1, ordering: .relaxed).newValue }

  private func end(of span: Duration) -> MonotonicTime { MonotonicTime.now + span }

  /// Makes a call and waits for its answer, up to the deadline.
  /// - Parameters:
  ///   - whenLate: Does what is left to do where the answer comes after that.
  ///   - whenOver: Done once the routine has returned, or never will.
  /// - Returns: The answer; nil where there is none.
  private func call(
    _ frame: inout FrameWriter, whenLate: @escaping @Sendable (CallChannel.Answer) -> Void = { _ in },
    whenOver: @escaping @Sendable () -> Void = {}
  ) -> CallChannel.Answer? {
    let end = end(of: deadline)
    guard let channel = channels.take(until: end) else {
      whenOver()
      return nil
    }
    switch channel.ask(frame.finish(), until: end) {
    case .answer(let answer):
      channels.give(channel)
      whenOver()
      return answer
    case .gone:
      channels.drop(channel)
      whenOver()
      return nil
    case .late:
      HostThreads.run { [self] in
        defer { whenOver() }
        switch channel.answer(until: MonotonicTime.now + (grace - deadline)) {
        case .answer(let answer):
          channels.give(channel)
          whenLate(answer)
        case .gone: channels.drop(channel)
        case .late:
          channels.abandon(channel)
          whenHung()
        }
      }
      return nil
    }
  }

  private func frame(_ call: ProviderCall) -> FrameWriter { FrameWriter(call.rawValue, request: 0) }

  private func failure(_ answer: CallChannel.Answer?) -> WinsockError? {
    guard let answer else { return .tryAgain }
    return answer.status == .success ? nil : answer.status.normalised
  }

  private static func word(_ pointer: UnsafeMutableRawPointer?) -> UInt64 { UInt64(UInt(bitPattern: pointer)) }

  // MARK: Sessions

  func startup(_ provider: GUID, _ context: CallContext) -> Result<SessionArgument, WinsockError> {
    if missing.answer(.startup) != nil { return .success(.none) }
    var frame = StartupCall(context.client).frame()
    let answer = call(&frame) { [weak self] late in
      // Nobody has the session.
      if late.status == .success, let argument = Self.argument(late) { self?.clientSessionRundown(provider, argument) }
    }
    if let failure = failure(answer) { return failure == .operationNotSupported ? .success(.none) : .failure(failure) }
    return answer.flatMap(Self.argument).map { .success($0) } ?? .failure(.systemCallFailure)
  }

  private static func argument(_ answer: CallChannel.Answer) -> SessionArgument? {
    answer.payload.withUnsafeBytes { StartupAnswer($0) }.map {
      SessionArgument(UnsafeMutableRawPointer(bitPattern: UInt($0.argument)))
    }
  }

  func cleanup(_: GUID, _ argument: SessionArgument) -> WinsockError? {
    missing.answer(.cleanup) ?? endSession(.cleanup, argument)
  }

  func clientSessionRundown(_: GUID, _ argument: SessionArgument) {
    if missing.answer(.clientSessionRundown) == nil { _ = endSession(.rundown, argument) }
  }

  private func endSession(_ kind: ProviderCall, _ argument: SessionArgument) -> WinsockError? {
    let session = Self.word(argument.pointer)
    channels.settle(session: session, until: end(of: grace))
    var frame = frame(kind)
    SessionEndCall(argument: session).write(to: &frame)
    return failure(call(&frame))
  }

  // MARK: Lookups

  /// How many records are fetched ahead, where they are all wanted.
  private static let recordsAhead: UInt32 = 64
  /// What a record has room in at first, as the engine's calls have.
  private static let firstRoom: UInt32 = 4096

  func lookupServiceBegin(
    _: GUID, restrictions: UnsafeMutablePointer<WSAQUERYSET2W>, flags: LookupFlags, argument: SessionArgument,
    _ context: CallContext
  ) -> Result<ProviderLookupHandle, WinsockError> {
    if let failure = missing.answer(.lookupServiceBegin) { return .failure(failure) }
    let session = Self.word(argument.pointer)
    let ahead = context.readsAhead
    let number = nextNumber()
    // Before it can come.
    let owed = ahead == nil ? nil : owe(number)
    defer { if owed?.isTaken == false { forget(number) } }
    let named = named(context)
    var begin = BeginCall()
    (begin.argument, begin.query, begin.number) = (session, context.query, number)
    (begin.flags, begin.flagsAhead) = (flags.rawValue, ahead?.rawValue ?? 0)
    (begin.recordsAhead, begin.room) = (ahead == nil ? 0 : Self.recordsAhead, Self.firstRoom)
    begin.serviceClass = NamedClassFields(named)
    var frame = begin.frame()
    guard append(restrictions, named?.known, to: &frame) else { return .failure(.systemCallFailure) }
    let answer = call(&frame) { [weak self] late in
      // Nobody knows of the lookup.
      if late.status == .success, let opened = late.payload.withUnsafeBytes({ BeginAnswer($0) }) {
        self?.end(opened.handle, session)
      }
    }
    if let failure = failure(answer) { return .failure(failure) }
    guard let answer, let lookup = opened(answer, session, owed), let handle = lookups.insert(lookup) else {
      return .failure(.systemCallFailure)
    }
    return .success(ProviderLookupHandle(pointer: handle.pointer))
  }

  private func opened(_ answer: CallChannel.Answer, _ session: UInt64, _ owed: AwaitedOutcome?) -> RemoteLookup? {
    answer.payload.withUnsafeBytes { bytes in
      var fields = FieldReader(bytes)
      guard let begun = BeginAnswer(&fields), begun.count <= Self.recordsAhead else { return nil }
      var ready: [AwaitedOutcome] = []
      for _ in 0..<begun.count {
        guard let outcome = AwaitedOutcome.Outcome(&fields) else { return nil }
        guard outcome.status == .ioPending else {
          ready.append(AwaitedOutcome(outcome))
          continue
        }
        guard let owed else { return nil }
        owed.take()
        ready.append(owed)
      }
      return RemoteLookup(begun.handle, session, ready: ready)
    }
  }

  /// An outcome that the provider's process will tell.
  private func owe(_ number: UInt64) -> AwaitedOutcome {
    let outcome = AwaitedOutcome()
    owed.withLock { $0[number] = outcome }
    if isOver.load(ordering: .acquiring) { hungUp(outcome) }
    return outcome
  }

  private func forget(_ number: UInt64) { owed.withLock { _ = $0.removeValue(forKey: number) } }

  private func hungUp(_ outcome: AwaitedOutcome) { outcome.arrived(.init(status: .tryAgain)) }

  func lookupServiceNextEx(
    asyncCall: UnsafeMutableRawPointer?, lookup: ProviderLookupHandle, flags: LookupFlags,
    length: UnsafeMutablePointer<UInt32>, block: UnsafeMutablePointer<WSAQUERYSET2W>, _ context: CallContext
  ) {
    let target = AwaitedOutcome.Target(asyncCall: asyncCall, length: length, block: block)
    if let failure = missing.answer(.lookupServiceNextEx) {
      return AwaitedOutcome(.init(status: failure)).deliver(to: target)
    }
    guard let lookup = lookups[Handle(lookup.pointer)] else {
      AwaitedOutcome(.init(status: .invalidHandle)).deliver(to: target)
      return
    }
    if let ready = lookup.next() { return ready.deliver(to: target) }
    let number = nextNumber()
    let room = length.pointee
    let outcome = owe(number)
    lookup.note(outcome)
    outcome.deliver(to: target)
    // From here on the target may be complete: what it leads to is nobody's.
    var next = NextCall()
    (next.handle, next.number, next.query) = (lookup.handle, number, context.query)
    (next.flags, next.room) = (flags.rawValue, room)
    var frame = next.frame()
    lookup.nexts.enter()
    settle(number, call(&frame, whenOver: { lookup.nexts.leave() }))
  }

  /// What the routine's return says of its call: all of it, or that it is still owed.
  private func settle(_ number: UInt64, _ answer: CallChannel.Answer?) {
    if answer?.status == .ioPending { return }
    let outcome = answer.flatMap { answer in
      answer.payload.withUnsafeBytes { bytes in
        var fields = FieldReader(bytes)
        return bytes.isEmpty ? .init(status: answer.status) : AwaitedOutcome.Outcome(&fields)
      }
    }
    completed(number, outcome ?? .init(status: answer == nil ? .tryAgain : .systemCallFailure))
  }

  func lookupServiceEnd(_ lookup: ProviderLookupHandle) -> WinsockError? {
    if let failure = missing.answer(.lookupServiceEnd) { return failure }
    guard let lookup = lookups.remove(Handle(lookup.pointer)) else { return .invalidHandle }
    changes.withLock { changes in for number in lookup.events { changes[number] = nil } }
    // No deadline: a routine that does not return in its grace is over.
    if endsWait { lookup.nexts.wait() }
    guard answersEnds else {
      end(lookup.handle, lookup.session)
      return nil
    }
    var frame = EndCall(handle: lookup.handle).frame()
    return failure(call(&frame))
  }

  /// Nobody waits for it: what ends the session does.
  private func end(_ handle: UInt64, _ session: UInt64) {
    channels.end(handle, session: session, until: end(of: deadline))
  }

  // MARK: Registrations

  func setServiceEx(
    asyncCall: UnsafeMutableRawPointer?, _: UnsafeMutablePointer<GUID>, registration: UnsafeMutablePointer<WSAQUERYSET2W>,
    operation: WSAESETSERVICEOP, flags: UInt32, argument: SessionArgument, _ context: CallContext
  ) {
    let target = AwaitedOutcome.Target(asyncCall: asyncCall)
    if let failure = missing.answer(.setServiceEx) { return AwaitedOutcome(.init(status: failure)).deliver(to: target) }
    let number = nextNumber()
    let named = named(context)
    var set = SetServiceCall()
    (set.argument, set.number, set.query) = (Self.word(argument.pointer), number, context.query)
    (set.operation, set.flags) = (operation.rawValue, flags)
    set.serviceClass = NamedClassFields(named)
    var frame = set.frame()
    let isReadable = append(registration, named?.known, to: &frame)
    let outcome = owe(number)
    outcome.deliver(to: target)
    guard isReadable else { return completed(number, .init(status: .systemCallFailure)) }
    settle(number, call(&frame))
  }

  private func named(_ context: CallContext) -> CallContext.NamedClass? {
    traits.contains(.takesClasses) ? context.serviceClass : nil
  }

  /// What is known of the class that the routine is called for, and the query set behind it, at the next multiple of 8.
  private func append(_ set: UnsafePointer<WSAQUERYSET2W>, _ known: ServiceClass?, to frame: inout FrameWriter) -> Bool {
    do throws(QuerySetError) {
      if let known { try frame.append(known) }
      try frame.append(try QuerySetView(reading: set, in: .own))
      return true
    } catch { return false }
  }

  // MARK: Service classes

  func install(_ new: ServiceClass) -> WinsockError? {
    var frame = frame(.installClass)
    do throws(QuerySetError) { try frame.append(new) } catch { return error.winsockError }
    return failure(call(&frame))
  }

  func removeClass(_ serviceClass: GUID) -> WinsockError? {
    var frame = ClassCall(id: WireID(serviceClass)).frame()
    return failure(call(&frame))
  }

  func serviceClass(_ serviceClass: GUID) -> Result<ServiceClass, WinsockError> {
    var frame = frame(.classInfo)
    ClassCall(id: WireID(serviceClass)).write(to: &frame)
    let answer = call(&frame)
    if let failure = failure(answer) { return .failure(failure) }
    guard var payload = answer?.payload, var found = payload.withUnsafeMutableBytes({ try? ServiceClass(onTheWire: $0) }) else {
      return .failure(.systemCallFailure)
    }
    // The id is what was asked for, whatever the provider has made of it.
    found.id = serviceClass
    return .success(found)
  }

  // MARK: Control

  var hasIoctl: Bool { traits.contains(.hasIoctl) }

  func ioctl(
    _ lookup: UnsafeMutableRawPointer?, _ code: UInt32, _ input: [UInt8], _ outputSize: Int,
    _ completion: UnsafeMutablePointer<WSACOMPLETION>?
  ) -> Result<[UInt8], WinsockError> {
    guard let lookup = lookups[Handle(lookup)] else { return .failure(.invalidHandle) }
    let event = completion?.pointee.Parameters.Event.lpOverlapped?.pointee.hEvent
    let number = event == nil ? 0 : nextNumber()
    if let event {
      changes.withLock { $0[number] = Event(handle: event) }
      lookup.note(event: number)
    }
    var question = IoctlCall()
    (question.handle, question.number, question.code) = (lookup.handle, number, code)
    (question.outputSize, question.inputSize) = (UInt32(outputSize), UInt32(input.count))
    var frame = question.frame()
    frame.append(input)
    let answer = call(&frame)
    if let failure = failure(answer) {
      if failure != .ioPending { changes.withLock { _ = $0.removeValue(forKey: number) } }
      return .failure(failure)
    }
    changes.withLock { _ = $0.removeValue(forKey: number) }
    return .success(Array((answer?.payload ?? []).prefix(outputSize)))
  }
}

extension StartupCall {
  /// Whom a session is for.
  fileprivate init(_ client: NSP_CLIENT?) {
    self.init()
    guard let client else { return }
    (size, processID, userID) = (client.cbSize, client.dwProcessId, client.dwUserId)
    (groupID, traits) = (client.dwGroupId, client.dwTraits)
  }
}

extension NamedClassFields {
  fileprivate init(_ named: CallContext.NamedClass?) {
    self.init()
    guard let named else { return }
    (id, isNamed) = (WireID(named.id), 1)
    size = UInt32(named.known.map { ($0.packedSize + 7) & ~7 } ?? 0)
  }
}
