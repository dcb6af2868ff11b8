import CClientSystem
import CLastWords
import CWinsock
import Glibc
import Providers
import QuerySets
import Rundown
import Synchronization
import Wire
import WireValues

/// The provider of a worker: says which routine runs when the process dies, and has the routines of version 1.
final class WorkerAdvertisement: Advertisement, @unchecked Sendable {
  // Unchecked, as what it inherits.
  private let version1: Version1Routines?
  private let own: ProviderTraits
  /// Where so many routines may run at a time, or an End waits for a NextEx: the host can't know when one returns that it no longer waits for.
  private let turns: RoutineTurns?
  /// Good for once: where the host is gone, so is this process, soon.
  private let first: Locked<Int32>
  private(set) lazy var changes = ChangeEvents(self)

  init(
    _ id: GUID, _ routines: NSPV2_ROUTINE, _ version1: Version1Routines?, _ traits: ProviderTraits, _ turns: RoutineTurns?,
    _ connection: Int32
  ) {
    (self.version1, own, self.turns) = (version1, traits, turns)
    first = Locked(connection)
    super.init(id, routines)
    _ = changes
  }

  /// As people call the provider, for what the process says when it dies. Set once, before anything runs.
  nonisolated(unsafe) static var mark: UnsafeMutablePointer<CChar>?

  override func connect() -> (descriptor: Int32, failure: Int32) {
    let descriptor = first.withLock { first in
      defer { first = -1 }
      return first
    }
    return (descriptor, descriptor < 0 ? WSAENETDOWN : 0)
  }

  override var traits: UInt32 { own.rawValue }

  /// The host that has started this process goes on some time.
  override var silence: Int64 { nsp_client_endless() }

  /// What the host is told of that goes over the same connection.
  override func refused() {}

  private let hasLeft = Atomic<Bool>(false)

  /// True once.
  func takesLeave() -> Bool { !hasLeft.exchange(true, ordering: .acquiringAndReleasing) }

  override func ended(_ handle: UInt64) { changes.forget(lookup: handle) }

  override func work(on channel: Int32) {
    let stack = nsp_last_words_stack()
    defer { nsp_last_words_stack_free(stack) }
    super.work(on: channel)
  }

  override func run(_ name: StaticString, _ purpose: Purpose? = nil, as role: Role = .other, _ routine: () -> Void) {
    inTurn(role) { marked(name, purpose, routine) }
  }

  /// Waits without a deadline: a routine that does not return ends this process.
  private func inTurn<Result>(_ role: Role, _ routine: () -> Result) -> Result {
    guard let turns else { return routine() }
    let role: RoutineRole =
      switch role {
      case .next(let handle): .next(handle)
      case .end(let handle): .end(handle)
      case .other: .other
      }
    _ = turns.enter(role, until: .distantFuture)
    defer { turns.leave(role) }
    return routine()
  }

  private func marked(_ name: StaticString, _ purpose: Purpose?, _ routine: () -> Void) {
    let outer = nsp_mark_provider(Self.mark)
    nsp_mark_routine(name.utf8Start)
    defer { nsp_mark_restore(outer) }
    if let purpose { InProgress(purpose).run(routine) } else { routine() }
  }

  override func perform(_ call: ProviderCall, _ payload: UnsafeMutableRawBufferPointer, _ answer: inout FrameWriter) -> Int32 {
    guard let version1 else { return WSAEOPNOTSUPP }
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    switch call {
    case .installClass:
      guard let new = try? ServiceClass(onTheWire: payload) else { return WSAEINVAL }
      return status { version1.install(new) }
    case .removeClass:
      guard let id = ClassCall(&fields)?.id.value(as: GUID.self) else { return WSAEINVAL }
      return status { version1.removeClass(id) }
    case .classInfo:
      guard let id = ClassCall(&fields)?.id.value(as: GUID.self) else { return WSAEINVAL }
      switch inTurn(.other, { version1.serviceClass(id) }) {
      case .failure(let error): return error.rawValue
      case .success(let found):
        let start = answer.reserve(found.packedSize)
        answer.withBytes(from: start) { bytes in
          // The room has the size that was asked for, and the alignment.
          try? found.pack(into: bytes)
          SelfRelative.makeClassRelative(bytes)
        }
        return 0
      }
    case .ioctl:
      guard let call = IoctlCall(&fields), let input = fields.bytes(Int(call.inputSize)), call.outputSize <= 1 << 20 else {
        return WSAEINVAL
      }
      let event = call.number == 0 ? nil : changes.make(call.number, of: call.handle)
      let result = inTurn(.other) {
        version1.ioctl(
          UnsafeMutableRawPointer(bitPattern: UInt(call.handle)), call.code, Array(input), Int(call.outputSize),
          event?.completion)
      }
      if case .failure(.ioPending) = result {} else if let event { changes.forget(event) }
      switch result {
      case .failure(let error): return error.rawValue
      case .success(let output):
        answer.append(output)
        return 0
      }
    default: return WSAEOPNOTSUPP
    }
  }

  override func outcome(of call: PendingCall, recordIn block: UnsafeMutableRawPointer) -> ProviderOutcome {
    var frame = FrameWriter(0, request: 0)
    do throws(QuerySetError) {
      let record = try QuerySetView(
        reading: block.assumingMemoryBound(to: WSAQUERYSET2W.self), in: .foreign(block: UnsafeRawBufferPointer(call.memory)))
      try frame.append(record)
      return ProviderOutcome(recordOf: &frame)
    } catch {
      var line = Worker.line(.warning, of: call.query, "its record is refused: \(error)")
      say(&line)
      return ProviderOutcome(status: WSASYSCALLFAILURE)
    }
  }

  private func status(_ routine: () -> WinsockError?) -> Int32 { inTurn(.other, routine)?.rawValue ?? 0 }
}

/// The events that the provider sets when what a lookup delivered has changed.
final class ChangeEvents: @unchecked Sendable {
  // Unchecked: the advertisement outlives the process's last routine.
  final class Event: @unchecked Sendable {
    // Unchecked: the memory is lent to the provider, which only reads it.
    let number: UInt64
    /// The lookup that it is about.
    let lookup: UInt64
    let completion: UnsafeMutablePointer<WSACOMPLETION>
    let overlapped: UnsafeMutablePointer<WSAOVERLAPPED>

    init(_ number: UInt64, of lookup: UInt64, _ handle: UnsafeMutableRawPointer?) {
      (self.number, self.lookup) = (number, lookup)
      overlapped = .allocate(capacity: 1)
      overlapped.initialize(to: WSAOVERLAPPED())
      overlapped.pointee.hEvent = handle
      completion = .allocate(capacity: 1)
      completion.initialize(to: WSACOMPLETION())
      completion.pointee.Type = NSP_NOTIFY_EVENT
      completion.pointee.Parameters.Event.lpOverlapped = overlapped
    }

    deinit {
      overlapped.deallocate()
      completion.deallocate()
    }
  }

  private struct State {
    var last: UInt = 0
    var waiting: [UInt: Event] = [:]
    /// What the provider may still look at, the oldest first.
    var lent: [Event] = []
  }

  private unowned let advertisement: Advertisement
  private let state = Locked<State>(State())
  private static let mostLent = 4096

  init(_ advertisement: Advertisement) { self.advertisement = advertisement }

  func make(_ number: UInt64, of lookup: UInt64) -> Event {
    state.withLock { state in
      state.last += 1
      let event = Event(number, of: lookup, UnsafeMutableRawPointer(bitPattern: state.last << 8 | 0xE))
      state.waiting[state.last] = event
      state.lent.append(event)
      if state.lent.count > Self.mostLent { state.lent.removeFirst() }
      return event
    }
  }

  func forget(lookup: UInt64) { state.withLock { state in state.waiting = state.waiting.filter { $0.value.lookup != lookup } } }

  func forget(_ event: Event) { state.withLock { state in state.waiting = state.waiting.filter { $0.value !== event } } }

  /// False for what is no event, or was set before.
  func set(_ handle: UnsafeMutableRawPointer?) -> Bool {
    guard let event = state.withLock({ $0.waiting.removeValue(forKey: UInt(bitPattern: handle) >> 8) }) else { return false }
    var frame = CallCompletion(number: event.number).frame()
    ProviderOutcome(status: 0).append(to: &frame)
    advertisement.say(&frame)
    return true
  }
}
