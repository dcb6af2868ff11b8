import CClientSystem
import CThreads
import CWinsock

#if !hasFeature(Embedded) && canImport(Wire)
  import Wire
#endif

/// A provider that this process serves for the host (`WSAAdvertiseProvider`, nsp.md §5.8), from when it is advertised until it is taken back.
///
/// The host sends the calls over channels, each of which has a thread that makes one call at a time; when they are all busy the host sends
/// another one. Where the host goes away, what it has opened here is ended and run down, and the provider is advertised again as soon as
/// somebody listens.
class Advertisement: @unchecked Sendable {
  // Unchecked: everything mutable is used under `lock`.
  let id: GUID
  /// Entries that the provider lacks are NULL, and never asked for.
  let routines: NSPV2_ROUTINE
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  /// One frame at a time on the connection.
  private let sending: UnsafeMutablePointer<pthread_mutex_t>
  private let isIdle: UnsafeMutablePointer<pthread_cond_t>
  /// The connection that it is advertised on; -1 while there is none.
  private var connection: Int32 = -1
  /// Counts connections.
  private var epoch: UInt64 = 0
  private var channels: [Int32] = []
  private var changeQueue = ChangeQueue()
  private var isWithdrawn = false
  /// The thread that follows the connection has done its last.
  private var isOver = false
  /// What the host has opened here, and not ended.
  private var sessions: [UInt64] = []
  private var lookups: [OpenAtProvider] = []

  struct OpenAtProvider: Equatable {
    var handle: UInt64
    var session: UInt64
  }

  private static let firstPause: UInt32 = 20
  private static let longestPause: UInt32 = 1000

  init(_ id: GUID, _ routines: NSPV2_ROUTINE) {
    (self.id, self.routines) = (id, routines)
    lock = .allocate(capacity: 1)
    sending = .allocate(capacity: 1)
    isIdle = .allocate(capacity: 1)
    nsp_lock_create(lock)
    nsp_lock_create(sending)
    pthread_cond_init(isIdle, nil)
  }

  deinit {
    lock.deallocate()
    sending.deallocate()
    isIdle.deallocate()
  }

  private final func locked<Result>(_ body: () -> Result) -> Result {
    nsp_lock(lock)
    defer { nsp_unlock(lock) }
    return body()
  }

  // MARK: For those who know more of the provider

  /// A connection to the host on which the hello was answered, or why there is none.
  func connect() -> (descriptor: Int32, failure: Int32) { (-1, Int32(WSAENETDOWN)) }

  /// What a routine is called for.
  struct Purpose {
    /// The host's id of the query.
    var query: UInt64
    var classID: GUID?
    /// What is known of the class: a structure with offsets in the place of pointers.
    var classInfo: UnsafeMutableRawBufferPointer?
    /// In a startup: whom the session is for.
    var client: NSP_CLIENT?
  }

  /// What a routine is to the others that run.
  enum Role {
    /// NextEx of a lookup, by the provider's handle.
    case next(UInt64)
    case end(UInt64)
    case other
  }

  /// Runs a routine.
  func run(_ name: StaticString, _ purpose: Purpose? = nil, as role: Role = .other, _ routine: () -> Void) { routine() }

  /// Performs what is no routine of version 2. The status.
  func perform(_ call: ProviderCall, _ payload: UnsafeMutableRawBufferPointer, _ answer: inout FrameWriter) -> Int32 {
    Int32(WSAEOPNOTSUPP)
  }

  /// A lookup is about to end.
  func ended(_ handle: UInt64) {}

  /// Reads the record that the provider has left in the memory of a call.
  func outcome(of call: PendingCall, recordIn block: UnsafeMutableRawPointer) -> ProviderOutcome {
    ProviderOutcome(recordIn: block)
  }

  /// What the host is told of the provider, beside its routines.
  var traits: UInt32 { 0 }

  /// How long the host may give no sign of life, in nanoseconds.
  var silence: Int64 { nsp_client_usual_silence() }

  final func serves(_ other: GUID) -> Bool {
    withUnsafeBytes(of: id) { own in withUnsafeBytes(of: other) { own.elementsEqual($0) } }
  }

  // MARK: Advertising

  /// Advertises it, and serves from now on. Zero, or why not.
  func advertise() -> Int32 {
    let failure = announce()
    guard failure == 0 else { return failure }
    // The thread's own, which it gives up at its end.
    let own = Unmanaged.passRetained(self)
    let status = nsp_start_thread({ Unmanaged<Advertisement>.fromOpaque($0!).takeRetainedValue().follow() }, own.toOpaque())
    guard status == 0 else {
      own.release()
      letGo()
      return Int32(WSA_NOT_ENOUGH_MEMORY)
    }
    return 0
  }

  private func announce() -> Int32 {
    let (descriptor, failure) = connect()
    guard descriptor >= 0 else { return failure }
    var offer = AdvertiseRequest()
    (offer.provider, offer.entries, offer.traits) = (WireID(id), entries, traits)
    (offer.major, offer.minor) = (routines.dwMajorVersion, routines.dwMinorVersion)
    var request = offer.frame(request: 1)
    let isWanted = locked {
      guard !isWithdrawn else { return false }
      connection = descriptor
      epoch += 1
      changeQueue.renew()
      return true
    }
    guard isWanted else {
      close(descriptor)
      return Int32(WSA_E_CANCELLED)
    }
    let status =
      FrameChannel.send(descriptor, &request, silence: silence)
      ? takeChannels(until: RequestKind.advertise.answer) : Int32(WSAENETDOWN)
    if status != 0 { refused() } else { sendChange() }
    return status
  }

  /// The host does not take it: the connection is of no more use.
  func refused() { letGo() }

  /// Which routines there are, the first one in bit 0.
  private var entries: UInt32 {
    (routines.NSPv2Startup != nil ? 1 : 0) | (routines.NSPv2Cleanup != nil ? 2 : 0)
      | (routines.NSPv2LookupServiceBegin != nil ? 4 : 0) | (routines.NSPv2LookupServiceNextEx != nil ? 8 : 0)
      | (routines.NSPv2LookupServiceEnd != nil ? 16 : 0) | (routines.NSPv2SetServiceEx != nil ? 32 : 0)
      | (routines.NSPv2ClientSessionRundown != nil ? 64 : 0)
  }

  /// Takes the channels that the host sends; where the host goes, waits for the next one.
  private func follow() {
    while true {
      _ = takeChannels(until: nil)
      letGo()
      waitUntilIdle()
      runDown()
      var pause = Self.firstPause
      while !locked({ isWithdrawn }) {
        if announce() == 0 { break }
        nsp_client_pause(pause)
        pause = min(pause * 2, Self.longestPause)
      }
      let isLast = locked {
        guard isWithdrawn, connection < 0 else { return false }
        isOver = true
        pthread_cond_broadcast(isIdle)
        return true
      }
      if isLast { return }
    }
  }

  /// Serves the channels that come, until an answer does, whose status it gives, or the end.
  private func takeChannels(until answer: UInt16?) -> Int32 {
    let descriptor = locked { connection }
    var channel: Int32 = -1
    var status = Int32(WSAENETDOWN)
    withUnsafeTemporaryAllocation(byteCount: FrameHeader.size, alignment: 8) { room in
      while true {
        // Once it is advertised, the host has nothing to say until somebody asks.
        if answer != nil, !isAlive(descriptor) {
          status = Int32(WSATRY_AGAIN)
          return
        }
        guard nsp_client_receive_descriptor(descriptor, room.baseAddress, FrameHeader.size, &channel) == 0 else { return }
        guard let header = FrameHeader(UnsafeRawBufferPointer(room)), header.length == UInt32(FrameHeader.size) else {
          if channel >= 0 { close(channel) }
          return
        }
        if header.kind == answer {
          status = header.status
          return
        }
        if header.kind == RequestKind.changed.answer {
          locked { changeQueue.taken() }
          sendChange()
          continue
        }
        // Without a descriptor where this process has none left.
        if channel >= 0 { serve(channel) }
      }
    }
    return status
  }

  /// Waits until there is something to read; false when the host is silent.
  private func isAlive(_ descriptor: Int32) -> Bool {
    let silence = silence
    if silence == nsp_client_endless() || nsp_client_await(descriptor, silence / 4) != 0 { return true }
    var question = FrameWriter(RequestKind.nothing.rawValue, request: 0)
    say(&question)
    return nsp_client_await(descriptor, silence - silence / 4) != 0
  }

  /// The connection is over: so are its channels, once the routines on them have returned.
  private func waitUntilIdle() {
    nsp_lock(lock)
    for channel in channels { nsp_client_interrupt(channel) }
    // No deadline: what a routine does is the provider's.
    while !channels.isEmpty { pthread_cond_wait(isIdle, lock) }
    nsp_unlock(lock)
  }

  /// Ends what the host has opened and will not end any more.
  private func runDown() {
    let (open, live) = locked {
      defer { (lookups, sessions) = ([], []) }
      return (lookups, sessions)
    }
    // A routine that takes the provider back does not wait for itself.
    nsp_client_set_serving(Unmanaged.passUnretained(self).toOpaque())
    for lookup in open { end(lookup.handle) }
    for session in live { endSession(session) }
    nsp_client_set_serving(nil)
  }

  private final func letGo() {
    // Nobody sends on it any more.
    nsp_lock(sending)
    let descriptor = locked {
      defer { connection = -1 }
      return connection
    }
    if descriptor >= 0 { close(descriptor) }
    nsp_unlock(sending)
  }

  // MARK: Taking back

  /// Whether this thread is in one of the provider's routines.
  var isInside: Bool { nsp_client_serving() == Unmanaged.passUnretained(self).toOpaque() }

  /// It is not advertised again, and its threads end. Waits for that, unless it is asked from one of them.
  /// - Parameter isHostGone: The host has not ended what it opened: that is done here.
  func withdraw(isHostGone: Bool) {
    nsp_lock(lock)
    isWithdrawn = true
    if isHostGone { for channel in channels { nsp_client_interrupt(channel) } }
    // Else the last channel takes the connection with it: until then the host may need more of them.
    if connection >= 0, isHostGone || channels.isEmpty { nsp_client_interrupt(connection) }
    // No deadline, as above.
    while !isInside, !isOver { pthread_cond_wait(isIdle, lock) }
    nsp_unlock(lock)
  }

  /// Waits until the host has ended the channels, unless it is asked from one of them.
  final func waitUntilLeft() {
    nsp_lock(lock)
    // No deadline, as above.
    while !isInside, !channels.isEmpty { pthread_cond_wait(isIdle, lock) }
    nsp_unlock(lock)
  }

  /// In a child of fork: the connections are the parent's.
  func abandon() {
    if connection >= 0 { close(connection) }
    for channel in channels { close(channel) }
  }

  /// Around fork, so that a child finds nothing half done.
  func holdForFork() { nsp_lock(lock) }
  func releaseAfterFork() { nsp_unlock(lock) }

  // MARK: Channels

  private final class Seat {
    let advertisement: Advertisement
    let channel: Int32
    init(_ advertisement: Advertisement, _ channel: Int32) { (self.advertisement, self.channel) = (advertisement, channel) }
  }

  private func serve(_ channel: Int32) {
    locked { channels.append(channel) }
    let seat = Unmanaged.passRetained(Seat(self, channel))
    let status = nsp_start_thread(
      { context in
        let seat = Unmanaged<Seat>.fromOpaque(context!).takeRetainedValue()
        seat.advertisement.work(on: seat.channel)
      }, seat.toOpaque())
    guard status != 0 else { return }
    seat.release()
    leave(channel)
  }

  private func leave(_ channel: Int32) {
    locked {
      if let index = channels.firstIndex(of: channel) { channels.remove(at: index) }
      // Under the lock: its number may be another's as soon as it is closed.
      close(channel)
      if isWithdrawn, channels.isEmpty, connection >= 0 { nsp_client_interrupt(connection) }
      pthread_cond_broadcast(isIdle)
    }
  }

  /// Makes the calls that come on a channel, one after the other, until it ends.
  func work(on channel: Int32) {
    // Borrowed: the thread has a reference as long as it works.
    var incoming = FrameStream(channel)
    nsp_client_set_serving(Unmanaged.passUnretained(self).toOpaque())
    while let frame = incoming.next() {
      let header = frame.header
      var payload = frame.payload
      var answer = FrameWriter(header.kind | RequestKind.answerBit, request: header.request)
      var opened: Opened = .nothing
      payload.withUnsafeMutableBytes { bytes in
        let status = make(header.kind, bytes, &answer, &opened)
        answer.set(status: status)
      }
      if header.kind == ProviderCall.endUnanswered.rawValue { continue }
      guard FrameChannel.send(channel, &answer, silence: nsp_client_endless()) else {
        // Nobody else knows of it.
        undo(opened)
        break
      }
    }
    nsp_client_set_serving(nil)
    leave(channel)
  }

  /// What a call has opened, for when its answer can't be given.
  private enum Opened {
    case nothing
    case session(UInt64)
    case lookup(OpenAtProvider)
  }

  private func undo(_ opened: Opened) {
    switch opened {
    case .nothing: break
    case .session(let argument): if forget(session: argument) { endSession(argument) }
    case .lookup(let lookup): if forget(lookup: lookup.handle) { end(lookup.handle) }
    }
  }

  private func forget(session argument: UInt64) -> Bool {
    locked {
      guard let index = sessions.firstIndex(of: argument) else { return false }
      sessions.remove(at: index)
      return true
    }
  }

  private func forget(lookup handle: UInt64) -> Bool {
    locked {
      guard let index = lookups.lastIndex(where: { $0.handle == handle }) else { return false }
      lookups.remove(at: index)
      return true
    }
  }

  // MARK: Calls

  private func make(
    _ kind: UInt16, _ payload: UnsafeMutableRawBufferPointer, _ answer: inout FrameWriter, _ opened: inout Opened
  ) -> Int32 {
    guard let call = ProviderCall(rawValue: kind) else { return Int32(WSAEOPNOTSUPP) }
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    switch call {
    case .startup: return startup(StartupCall(&fields), &answer, &opened)
    case .cleanup, .rundown:
      guard let argument = SessionEndCall(&fields)?.argument else { return Int32(WSAEINVAL) }
      _ = forget(session: argument)
      return call == .cleanup ? cleanup(argument) : rundown(argument)
    case .begin: return begin(&fields, payload, &answer, &opened)
    case .next:
      guard let call = NextCall(&fields) else { return Int32(WSAEINVAL) }
      let outcome = next(call)
      outcome.append(to: &answer)
      return outcome.status
    case .end, .endUnanswered:
      guard let handle = EndCall(&fields)?.handle, forget(lookup: handle) else { return Int32(WSAEINVAL) }
      ended(handle)
      return end(handle)
    case .setService: return setService(&fields, payload)
    case .nothing: return 0
    case .channel: return Int32(WSAEOPNOTSUPP)
    case .installClass, .removeClass, .classInfo, .ioctl: return perform(call, payload, &answer)
    }
  }

  private func startup(
    _ call: StartupCall?, _ answer: inout FrameWriter, _ opened: inout Opened
  ) -> Int32 {
    guard let routine = routines.NSPv2Startup else { return Int32(WSAEOPNOTSUPP) }
    var (id, argument) = (id, UnsafeMutableRawPointer?.none)
    var status: Int32 = 0
    let client = call.map {
      NSP_CLIENT(
        cbSize: $0.size, dwProcessId: $0.processID, dwUserId: $0.userID, dwGroupId: $0.groupID, dwTraits: $0.traits)
    }
    run("NSPv2Startup", Purpose(query: 0, client: client)) {
      WSASetLastError(0)
      status = ProviderOutcome.status(routine(&id, &argument))
    }
    // One that needs no session is ended like others (nsp.md L6).
    if status == 0 || status == Int32(WSAEOPNOTSUPP) {
      let value = status == 0 ? UInt64(UInt(bitPattern: argument)) : 0
      locked { sessions.append(value) }
      opened = .session(value)
    }
    StartupAnswer(argument: UInt64(UInt(bitPattern: argument))).write(to: &answer)
    return status
  }

  private func cleanup(_ argument: UInt64) -> Int32 {
    guard let routine = routines.NSPv2Cleanup else { return 0 }
    var id = id
    var status: Int32 = 0
    run("NSPv2Cleanup") {
      WSASetLastError(0)
      status = ProviderOutcome.status(routine(&id, UnsafeMutableRawPointer(bitPattern: UInt(argument))))
    }
    return status
  }

  private func rundown(_ argument: UInt64) -> Int32 {
    guard let routine = routines.NSPv2ClientSessionRundown else { return cleanup(argument) }
    var id = id
    run("NSPv2ClientSessionRundown") {
      WSASetLastError(0)
      routine(&id, UnsafeMutableRawPointer(bitPattern: UInt(argument)))
    }
    return 0
  }

  private func endSession(_ argument: UInt64) { _ = rundown(argument) }

  @discardableResult
  private func end(_ handle: UInt64) -> Int32 {
    guard let routine = routines.NSPv2LookupServiceEnd else { return Int32(WSAEOPNOTSUPP) }
    var status: Int32 = 0
    run("NSPv2LookupServiceEnd", as: .end(handle)) {
      WSASetLastError(0)
      status = ProviderOutcome.status(routine(HANDLE(bitPattern: UInt(handle))))
    }
    return status
  }

  private func begin(
    _ fields: inout FieldReader, _ payload: UnsafeMutableRawBufferPointer, _ answer: inout FrameWriter, _ opened: inout Opened
  ) -> Int32 {
    guard let routine = routines.NSPv2LookupServiceBegin else { return Int32(WSAEOPNOTSUPP) }
    guard let call = BeginCall(&fields), let parts = Parts(call.serviceClass, &fields, payload) else {
      return Int32(WSAEINVAL)
    }
    var (id, handle) = (id, HANDLE?.none)
    var set = parts.set
    var status: Int32 = 0
    run("NSPv2LookupServiceBegin", parts.purpose(call.query)) {
      WSASetLastError(0)
      let session = UnsafeMutableRawPointer(bitPattern: UInt(call.argument))
      status = ProviderOutcome.status(routine(&id, &set, call.flags, session, &handle))
    }
    guard status == 0 else { return status }
    let lookup = OpenAtProvider(handle: UInt64(UInt(bitPattern: handle)), session: call.argument)
    locked { lookups.append(lookup) }
    opened = .lookup(lookup)
    let countPlace = answer.count + BeginAnswer.countOffset
    BeginAnswer(handle: lookup.handle, count: 0).write(to: &answer)
    var count: UInt32 = 0
    var ahead = NextCall()
    (ahead.handle, ahead.number, ahead.query) = (lookup.handle, call.number, call.query)
    (ahead.flags, ahead.room) = (call.flagsAhead, call.room)
    // One number for all of them: only the last may still be owed.
    while count < call.recordsAhead, answer.count < Self.mostAhead {
      let outcome = next(ahead)
      outcome.append(to: &answer)
      count += 1
      if outcome.status != 0 { break }
    }
    answer.set(count, at: countPlace)
    return 0
  }

  /// What is taken ahead, in bytes, is about this much.
  private static let mostAhead = 64 << 10

  private func next(_ wanted: NextCall) -> ProviderOutcome {
    guard let routine = routines.NSPv2LookupServiceNextEx else { return ProviderOutcome(status: Int32(WSAEOPNOTSUPP)) }
    let block = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(Int(wanted.room), MemoryLayout<WSAQUERYSET2W>.size), alignment: 16)
    block.initializeMemory(as: UInt8.self, repeating: 0)
    let call = PendingCall(self, wanted.number, wanted.query, locked { epoch }, block, isLookup: true)
    guard let pending = PendingCalls.shared.insert(call) else {
      return ProviderOutcome(status: Int32(WSA_NOT_ENOUGH_MEMORY))
    }
    run("NSPv2LookupServiceNextEx", Purpose(query: wanted.query), as: .next(wanted.handle)) {
      // Its End may have come on another channel, and overtaken it.
      guard locked({ lookups.lastIndex { $0.handle == wanted.handle } }) != nil else {
        _ = PendingCalls.shared.complete(pending, Int32(WSA_E_CANCELLED))
        return
      }
      WSASetLastError(0)
      routine(
        pending, HANDLE(bitPattern: UInt(wanted.handle)), wanted.flags, call.length,
        block.baseAddress!.assumingMemoryBound(to: WSAQUERYSET2W.self))
    }
    return PendingCalls.shared.returned(call) ?? ProviderOutcome(status: Int32(WSA_IO_PENDING))
  }

  private func setService(_ fields: inout FieldReader, _ payload: UnsafeMutableRawBufferPointer) -> Int32 {
    guard let routine = routines.NSPv2SetServiceEx else { return Int32(WSAEOPNOTSUPP) }
    // The provider's until it completes the call.
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: payload.count, alignment: 16)
    memory.copyMemory(from: UnsafeRawBufferPointer(payload))
    guard let wanted = SetServiceCall(&fields), let parts = Parts(wanted.serviceClass, &fields, memory) else {
      memory.deallocate()
      return Int32(WSAEINVAL)
    }
    let call = PendingCall(self, wanted.number, wanted.query, locked { epoch }, memory, isLookup: false)
    guard let pending = PendingCalls.shared.insert(call) else { return Int32(WSA_NOT_ENOUGH_MEMORY) }
    // Where the version 1 form lies is more than room enough.
    parts.place.assumingMemoryBound(to: WSAQUERYSET2W.self).pointee = parts.set
    run("NSPv2SetServiceEx", parts.purpose(wanted.query)) {
      WSASetLastError(0)
      routine(
        pending, call.provider, parts.place.assumingMemoryBound(to: WSAQUERYSET2W.self),
        WSAESETSERVICEOP(rawValue: wanted.operation), wanted.flags,
        UnsafeMutableRawPointer(bitPattern: UInt(wanted.argument)))
    }
    return PendingCalls.shared.returned(call)?.status ?? Int32(WSA_IO_PENDING)
  }

  /// The class and the query set of a call, where they lie.
  private struct Parts {
    var classID: GUID?
    var classInfo: UnsafeMutableRawBufferPointer?
    var place: UnsafeMutableRawPointer
    var set: WSAQUERYSET2W

    init?(_ named: NamedClassFields, _ fields: inout FieldReader, _ payload: UnsafeMutableRawBufferPointer) {
      let size = Int(named.size)
      guard fields.bytes(size) != nil else { return nil }
      let start = fields.offset
      classID = named.isNamed != 0 ? named.id.value(as: GUID.self) : nil
      if size > 0 { classInfo = UnsafeMutableRawBufferPointer(rebasing: payload[start - size..<start]) }
      let bytes = UnsafeMutableRawBufferPointer(rebasing: payload[start...])
      guard SelfRelative.resolve(bytes), let base = bytes.baseAddress else { return nil }
      place = base
      set = WSAQUERYSET2W(narrowing: UnsafeRawPointer(base).assumingMemoryBound(to: WSAQUERYSETW.self).pointee)
    }

    func purpose(_ query: UInt64) -> Purpose { Purpose(query: query, classID: classID, classInfo: classInfo) }
  }

  // MARK: Completions

  /// A call was completed after its routine had returned.
  func tell(_ call: PendingCall, _ outcome: ProviderOutcome) {
    var frame = CallCompletion(number: call.number).frame()
    outcome.append(to: &frame)
    say(&frame, epoch: call.epoch)
  }

  /// What the provider serves has changed: under a name, or anywhere.
  func changed(_ name: [UInt16]?) {
    locked { changeQueue.add(name) }
    sendChange()
  }

  private func sendChange() {
    let (message, at): (ChangeQueue.Message?, UInt64) = locked { (connection < 0 ? nil : changeQueue.next(), epoch) }
    guard let message else { return }
    var report = ChangeReport()
    (report.provider, report.change, report.units) = (WireID(id), message.kind.rawValue, UInt32(message.name.count))
    var frame = report.frame()
    for unit in message.name { frame.append(unit) }
    say(&frame, epoch: at)
  }

  /// Sends a frame on the connection; one of an earlier connection is nobody's any more.
  func say(_ frame: inout FrameWriter, epoch expected: UInt64? = nil) {
    nsp_lock(sending)
    let descriptor = locked { expected == nil || expected == epoch ? connection : -1 }
    // A part of a frame may be on its way: the connection is of no more use.
    if descriptor >= 0, !FrameChannel.send(descriptor, &frame, silence: silence) { nsp_client_interrupt(descriptor) }
    nsp_unlock(sending)
  }
}
