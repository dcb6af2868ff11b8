import CWinsock
import Providers
import QuerySets
import Rundown
import Sessions

/// What a provider's completion of one call said.
struct CallOutcome: Sendable {
  /// Nil: success; for a lookup the record is in the call's `record`.
  var failure: WinsockError?
  /// With `WSAEFAULT`: the bytes that the provider asks for.
  var demandedLength: UInt32 = 0
  /// When the provider completed the call.
  var arrived = MonotonicTime.now
}

/// What a call is for, to those who go on when it completes.
struct CallPurpose: Sendable {
  var query: QueryID
  /// Which of the owner's providers.
  var leg: Int
  /// The effective flags of the Next that it serves (nsp.md §9.1).
  var flags: LookupFlags = []
}

/// Learns of an outcome that arrived after the routine had returned.
protocol AsyncCallOwner: AnyObject, Sendable {
  /// Runs on a thread of the host, never on the completing stack (nsp.md A3).
  func resume(_ purpose: CallPurpose, _ call: AsyncCall, _ outcome: CallOutcome)
  /// The outcome of a call that was given up. Runs on the completing stack: it must not call out.
  func late(_ outcome: CallOutcome)
}

extension AsyncCallOwner {
  func late(_: CallOutcome) {}
}

/// One call of a routine that completes asynchronously, and the memory that belongs to the provider until it does
/// (nsp.md §10.1). Reused for the next call of the same lookup; every call has a handle of its own.
final class AsyncCall: Sendable {
  /// What to make of a record that the provider delivers.
  struct Delivery: Sendable {
    var keep: LookupFlags
    var provider: GUID
    var nameSpaces: ServedNameSpaces
    /// What the query is for.
    var requested: NameSpace
    var serviceClassID: GUID?
  }

  private struct State {
    var phase = CallPhase.idle
    var number: UInt64 = 0
    var handle = Handle(nil)
    var owner: (any AsyncCallOwner)?
    var purpose = CallPurpose(query: QueryID(rawValue: 0), leg: 0)
    var session: StartedSession?
    var delivery: Delivery?
    /// Keeps the provider and its file while a completion is owed that nobody waits for any more.
    var forsaken: Provider?
  }

  private let state = Locked<State>(State())
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

  /// Whom the call was made to, until it is complete.
  var provider: Provider? { state.withLock { $0.session?.provider ?? $0.forsaken } }

  /// Which query the call is for, and at which provider, until it is complete.
  static func origin(of handle: UnsafeMutableRawPointer) -> (query: QueryID, provider: Provider?)? {
    guard let call = unfinished[Handle(handle)] else { return nil }
    return call.state.withLock { ($0.purpose.query, $0.session?.provider ?? $0.forsaken) }
  }

  /// Prepares for one call: enters the session's gate and makes the call's handle. The number tells this call from the earlier
  /// and later ones of the same object. Nil when the session is ending or no handle is left.
  func arm(
    session: StartedSession, owner: any AsyncCallOwner, purpose: CallPurpose, delivery: Delivery?
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
  func abandon(number: UInt64) -> Bool {
    let (isAbandoned, late): (Bool, (owner: (any AsyncCallOwner)?, outcome: CallOutcome)?) = state.withLock { state in
      guard state.number == number else { return (false, nil) }
      var late: (owner: (any AsyncCallOwner)?, outcome: CallOutcome)?
      if case .answered(let outcome) = state.phase { late = (state.owner, outcome) }
      return (state.phase.abandon(), late)
    }
    if isAbandoned, let late { late.owner?.late(late.outcome) }
    return isAbandoned
  }

  /// Lets the session end without a completion that never came. The call's memory and the provider's file stay until it comes.
  func forsake() {
    guard
      state.withLock({ state in
        guard state.phase.forsake() else { return false }
        state.forsaken = state.session?.provider
        return true
      })
    else { return }
    release()
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
    let (isLate, effect, owner, purpose) = state.withLock { state in
      (state.phase.isAbandoned, state.phase.completed(outcome), state.owner, state.purpose)
    }
    if isLate { owner?.late(outcome) }
    switch effect {
    case .nothing: break
    case .release: release()
    case .letGo:
      state.withLock { $0.forsaken = nil }
    case .resume:
      release()
      HostThreads.run { owner?.resume(purpose, self, outcome) }
    }
  }

  /// Copies the record deeply out of the provider's memory: after the completion returns that memory is the provider's again.
  private func receive() -> CallOutcome {
    let (delivery, provider) = state.withLock { ($0.phase.isAbandoned ? nil : $0.delivery, $0.session?.provider) }
    guard let delivery, let provider else { return CallOutcome() }
    return provider.reading { receive(delivery) }
  }

  private func receive(_ delivery: Delivery) -> CallOutcome {
    do throws(QuerySetError) {
      let bytes = UnsafeRawBufferPointer(start: block.start, count: block.capacity)
      var view = try QuerySetView(
        reading: UnsafePointer(block.start.assumingMemoryBound(to: WSAQUERYSET2W.self)), in: .foreign(block: bytes))
      view.narrow(to: delivery.keep)
      view.providerID = delivery.provider
      view.nameSpace = delivery.nameSpaces.stated(view.nameSpace, for: delivery.requested)
      view.serviceClassID = delivery.keep.contains(.returnType) ? delivery.serviceClassID : nil
      record.reserve(try view.packedSize(as: .v1))
      try view.pack(as: .v1, into: record.bytes)
      return CallOutcome()
    } catch {
      let (query, provider) = state.withLock { ($0.purpose.query, $0.session?.provider) }
      HostLog.write(.warning, provider: provider?.name, query: query, "its record is refused: \(error)")
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
