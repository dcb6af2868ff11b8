import CWinsock
import Providers
import QuerySets
import Rundown
import Sessions
import Synchronization

/// What a provider's completion of one call said.
struct CallOutcome: Sendable {
  /// Nil: success; for a lookup the record is in the call's `record`.
  var failure: WinsockError?
  /// With `WSAEFAULT`: the bytes that the provider asks for.
  var demandedLength: UInt32 = 0
}

/// What a call is for, to those who go on when it completes.
struct CallPurpose: Sendable {
  /// Which of the owner's providers.
  var leg: Int
  /// The effective flags of the Next that it serves (nsp.md §9.1).
  var flags: LookupFlags = []
}

/// Learns of an outcome that arrived after the routine had returned.
protocol AsyncCallOwner: AnyObject, Sendable {
  /// Runs on a thread of the host, never on the completing stack (nsp.md A3).
  func resume(_ purpose: CallPurpose, _ call: AsyncCall, _ outcome: CallOutcome)
}

/// One call of a routine that completes asynchronously, and the memory that belongs to the provider until it does
/// (nsp.md §10.1). Reused for the next call of the same lookup; every call has a handle of its own.
final class AsyncCall: Sendable {
  /// What to make of a record that the provider delivers.
  struct Delivery: Sendable {
    var keep: LookupFlags
    var provider: GUID
    var nameSpace: NameSpace
    var serviceClassID: GUID?
  }

  private struct State {
    var phase = CallPhase.idle
    var number: UInt64 = 0
    var handle = Handle(nil)
    var owner: (any AsyncCallOwner)?
    var purpose = CallPurpose(leg: 0)
    var session: ProviderSession?
    var delivery: Delivery?
  }

  private let state = Mutex<State>(State())
  /// Belongs to the provider while a call is unfinished, otherwise to the owner.
  nonisolated(unsafe) let block: GrowingBlock
  nonisolated(unsafe) let length: UnsafeMutablePointer<UInt32>
  nonisolated(unsafe) let providerID: UnsafeMutablePointer<GUID>
  /// The host's own deep copy of the delivered record, as a packed `WSAQUERYSETW`.
  nonisolated(unsafe) let record: GrowingBlock

  /// The calls that some provider still owes a completion, for the whole process: a completion names nothing but its handle.
  static let unfinished = HandleTable<AsyncCall>(kind: 2)

  init(blockSize: Int) {
    block = GrowingBlock(capacity: blockSize)
    record = GrowingBlock(capacity: 512)
    length = .allocate(capacity: 1)
    providerID = .allocate(capacity: 1)
  }

  deinit {
    length.deallocate()
    providerID.deallocate()
  }

  var provider: Provider? { state.withLock { $0.session?.provider } }

  /// Prepares for one call: enters the session's gate and makes the call's handle. The number tells this call from the earlier
  /// and later ones of the same object. Nil when the session is ending or no handle is left.
  func arm(
    session: ProviderSession, owner: any AsyncCallOwner, purpose: CallPurpose, delivery: Delivery?
  ) -> (handle: Handle, number: UInt64)? {
    guard session.gate.enter() else { return nil }
    // Left in `release`, once the routine has returned and the call is completed.
    let number = state.withLock { state in
      state.phase = .running
      state.number += 1
      state.owner = owner
      state.purpose = purpose
      state.session = session
      state.delivery = delivery
      return state.number
    }
    guard let handle = Self.unfinished.insert(self) else {
      state.withLock { $0.phase = .idle }
      release()
      return nil
    }
    state.withLock { $0.handle = handle }
    return (handle, number)
  }

  /// Whether the completion is still owed, as far as one can tell while the routine may be running.
  var isUnanswered: Bool { state.withLock { $0.phase.isUnanswered } }

  /// The routine has returned. Answers what to do now on this thread.
  func routineReturned() -> CallPhase.ReturnEffect {
    let effect = state.withLock { $0.phase.returned() }
    switch effect {
    case .proceed, .releaseAbandoned: release()
    case .wait, .abandoned: break
    }
    return effect
  }

  /// Gives the call up for the client: its outcome will be dropped. False when it is complete already, or another call by now.
  func abandon(number: UInt64) -> Bool { state.withLock { $0.number == number && $0.phase.abandon() } }

  /// Stops waiting for a completion that never came, because the provider is going away. Its handle dies.
  func giveUp() {
    guard state.withLock({ $0.phase.isAbandonedAfterReturn }) else { return }
    if Self.unfinished.remove(state.withLock { $0.handle }) != nil { completed(CallOutcome(failure: .cancelled)) }
  }

  /// Completes the call that a handle names; the first completion of a live handle wins (nsp.md §5.8).
  /// - Returns: nil, or the error that the completing thread gets.
  static func complete(_ handle: UnsafeMutableRawPointer?, code: Int32) -> WinsockError? {
    guard handle != nil else { return .invalidArgument }
    // Taken before anything else: the completing thread's own last error.
    let lastError = code == -1 ? WSAGetLastError() : 0
    guard let call = unfinished.remove(Handle(handle)) else { return .invalidHandle }
    switch code {
    case 0: call.completed(call.receive())
    case -1:
      call.completed(
        CallOutcome(failure: lastError == 0 ? .systemCallFailure : WinsockError(rawValue: lastError).normalised))
    default:
      call.completed(
        CallOutcome(failure: WinsockError(rawValue: code).normalised, demandedLength: code == WSAEFAULT ? call.length.pointee : 0)
      )
    }
    return nil
  }

  private func completed(_ outcome: CallOutcome) {
    let (effect, owner, purpose) = state.withLock { ($0.phase.completed(outcome), $0.owner, $0.purpose) }
    switch effect {
    case .nothing: break
    case .release: release()
    case .resume:
      release()
      HostThreads.run { owner?.resume(purpose, self, outcome) }
    }
  }

  /// Copies the record deeply out of the provider's memory: after the completion returns that memory is the provider's again.
  private func receive() -> CallOutcome {
    guard let delivery = state.withLock({ $0.phase.isAbandoned ? nil : $0.delivery }) else { return CallOutcome() }
    do {
      let bytes = UnsafeRawBufferPointer(start: block.start, count: block.capacity)
      var view = try QuerySetView(
        reading: UnsafePointer(block.start.assumingMemoryBound(to: WSAQUERYSET2W.self)), in: .foreign(block: bytes))
      view.narrow(to: delivery.keep)
      view.providerID = delivery.provider
      if view.nameSpace == .all || delivery.nameSpace != .all { view.nameSpace = delivery.nameSpace }
      view.serviceClassID = delivery.keep.contains(.returnType) ? delivery.serviceClassID : nil
      record.reserve(try view.packedSize(as: .v1))
      try view.pack(as: .v1, into: record.bytes)
      return CallOutcome()
    } catch {
      return CallOutcome(failure: .systemCallFailure)
    }
  }

  private func release() {
    let session = state.withLock { state in
      defer {
        state.session = nil
        state.owner = nil
      }
      return state.session
    }
    session?.gate.leave()
  }
}

/// The phases of an asynchronous call and what each event makes of them. On the stack: the routine has not returned.
enum CallPhase: Sendable {
  case idle
  case running
  /// Completed while the routine is still on the stack.
  case answered(CallOutcome)
  /// Returned, not completed.
  case pending
  case abandonedRunning
  case abandonedAnswered
  case abandonedPending

  enum ReturnEffect: Sendable {
    case proceed(CallOutcome)
    case wait
    /// Somebody else has gone on in the meantime.
    case abandoned
    case releaseAbandoned
  }

  enum CompletionEffect: Sendable {
    case nothing
    case resume
    case release
  }

  var isAbandoned: Bool {
    switch self {
    case .abandonedRunning, .abandonedAnswered, .abandonedPending: true
    case .idle, .running, .answered, .pending: false
    }
  }

  var isUnanswered: Bool {
    switch self {
    case .running, .pending: true
    case .idle, .answered, .abandonedRunning, .abandonedAnswered, .abandonedPending: false
    }
  }

  var isAbandonedAfterReturn: Bool {
    if case .abandonedPending = self { true } else { false }
  }

  mutating func returned() -> ReturnEffect {
    switch self {
    case .running:
      self = .pending
      return .wait
    case .answered(let outcome):
      self = .idle
      return .proceed(outcome)
    case .abandonedRunning:
      self = .abandonedPending
      return .abandoned
    case .abandonedAnswered:
      self = .idle
      return .releaseAbandoned
    case .idle, .pending, .abandonedPending: preconditionFailure("a routine returned twice")
    }
  }

  mutating func completed(_ outcome: CallOutcome) -> CompletionEffect {
    switch self {
    case .running:
      self = .answered(outcome)
      return .nothing
    case .pending:
      self = .idle
      return .resume
    case .abandonedRunning:
      self = .abandonedAnswered
      return .nothing
    case .abandonedPending:
      self = .idle
      return .release
    case .idle, .answered, .abandonedAnswered: preconditionFailure("a dead handle completed a call")
    }
  }

  mutating func abandon() -> Bool {
    switch self {
    case .running: self = .abandonedRunning
    case .answered: self = .abandonedAnswered
    case .pending: self = .abandonedPending
    case .idle, .abandonedRunning, .abandonedAnswered, .abandonedPending: return false
    }
    return true
  }
}

/// Raw memory of at least a given size, aligned to 8, that can grow between uses.
final class GrowingBlock {
  private(set) var start: UnsafeMutableRawPointer
  private(set) var capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    start = .allocate(byteCount: capacity, alignment: 8)
    // Zeroed, so that a provider that lies about what it wrote can't show a client another's memory.
    start.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
  }

  deinit { start.deallocate() }

  var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: start, count: capacity) }

  /// Makes room; contents are lost when it has to grow.
  func reserve(_ size: Int) {
    guard size > capacity else { return }
    start.deallocate()
    capacity = (size + 7) & ~7
    start = .allocate(byteCount: capacity, alignment: 8)
    start.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
  }

  func clear() { start.initializeMemory(as: UInt8.self, repeating: 0, count: capacity) }
}

/// Calls that wait to be used again, so that a lookup costs no allocation of its result block.
final class AsyncCallPool: Sendable {
  static let blockSize = 4096
  private let idle = Mutex<[AsyncCall]>([])

  func take() -> AsyncCall {
    guard let call = idle.withLock({ $0.popLast() }) else { return AsyncCall(blockSize: Self.blockSize) }
    // What an earlier lookup found is nobody else's business.
    call.block.clear()
    return call
  }

  /// Takes back a call that no provider knows any more. Grown ones are let go.
  func give(_ call: AsyncCall) {
    guard call.block.capacity == Self.blockSize else { return }
    idle.withLock { calls in
      if calls.count < 64 { calls.append(call) }
    }
  }
}
