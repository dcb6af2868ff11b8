import CWinsock
import Providers
import QuerySets
import Rundown

/// Somebody's wish to be told of the next change of what a lookup has delivered (`SIO_NSP_NOTIFY_CHANGE`, nsp.md §8.7). Told once.
public final class ChangeNotice: Sendable {
  private struct Told: Sendable { let action: @Sendable (WinsockError?) -> Void }

  private struct State {
    /// Nil: it has not come to an end yet.
    var outcome: Result<Void, WinsockError>?
    var told: Told?
    var ticket: ChangeSignal.Ticket?
    var handle: Handle?
    /// A provider may still write to the overlapped: it was given it, and has not set the event.
    var isLent = false
  }

  /// Whose change it is.
  let provider: Provider
  private let state = Locked<State>(State())
  private let memory = Memory()
  /// What a version 1 provider is given.
  var completion: UnsafeMutablePointer<WSACOMPLETION> { memory.completion }
  private var overlapped: UnsafeMutablePointer<WSAOVERLAPPED> { memory.overlapped }

  /// The completion, and the overlapped that it leads to.
  private final class Memory: Sendable {
    nonisolated(unsafe) let completion = UnsafeMutablePointer<WSACOMPLETION>.allocate(capacity: 1)
    nonisolated(unsafe) let overlapped = UnsafeMutablePointer<WSAOVERLAPPED>.allocate(capacity: 1)

    init() {
      overlapped.initialize(to: WSAOVERLAPPED())
      completion.initialize(to: WSACOMPLETION())
      completion.pointee.Type = NSP_NOTIFY_EVENT
      completion.pointee.Parameters.Event.lpOverlapped = overlapped
    }

    deinit {
      completion.deallocate()
      overlapped.deallocate()
    }
  }

  /// The last so many that providers were given and have not set the event of when their lookups ended. They have no right to write to
  /// them after that; where one does so a little later, it is to hurt nobody else.
  private static let lastLent = Locked<(all: [Memory], next: Int)>(([], 0))
  private static let keptCount = 1024

  /// The events that providers may set, for the whole process.
  private static let events = HandleTable<ChangeNotice>(kind: 5)

  init(_ provider: Provider) {
    self.provider = provider
  }

  deinit {
    guard state.withLock({ $0.isLent }) else { return }
    // What makes room is let go of behind the lock.
    let former = Self.lastLent.withLock { kept -> Memory? in
      guard kept.all.count == Self.keptCount else {
        kept.all.append(memory)
        return nil
      }
      defer { (kept.all[kept.next], kept.next) = (memory, (kept.next + 1) % Self.keptCount) }
      return kept.all[kept.next]
    }
    withExtendedLifetime(former) {}
  }

  /// Has something done at its end; at once where it has come. Nil: it has changed; `WSA_OPERATION_ABORTED`: the lookup has ended first.
  /// Once, on any thread, without a lock; it must not wait.
  public func whenComplete(_ action: @escaping @Sendable (WinsockError?) -> Void) {
    let outcome = state.withLock { state in
      if state.outcome == nil { state.told = Told(action: action) }
      return state.outcome
    }
    if let outcome { action(outcome.failure) }
  }

  /// Whether nobody knows it any more, the provider among them.
  var isForgettable: Bool { state.withLock { $0.outcome != nil && !$0.isLent } }

  /// The provider is about to be given it.
  func lend() { state.withLock { $0.isLent = true } }

  /// The provider has answered otherwise than that it will set the event.
  func takeBack() { state.withLock { $0.isLent = false } }

  /// Whether nothing changes at the provider that this is not told of.
  public var isToldOfAll: Bool { provider.isVersion1 || provider.changes.isComplete }

  /// Waits for a registration that goes through this host, and for what the provider says.
  func watch(_ subject: ChangeSubject, after seen: UInt64) {
    let ticket = provider.changes.next(subject, after: seen) { [weak self] in self?.complete(nil) }
    guard let ticket else { return complete(nil) }
    let isTooLate = state.withLock { state in
      state.ticket = ticket
      return state.outcome != nil
    }
    if isTooLate { provider.changes.cancel(ticket) }
  }

  /// Makes the event that a version 1 provider will set. False when there is none left.
  func makeEvent() -> Bool {
    // The table keeps this object until it is complete.
    guard let handle = Self.events.insert(self) else { return false }
    overlapped.pointee.hEvent = handle.pointer
    overlapped.pointee.Internal = ULONG_PTR(WSA_IO_PENDING)
    state.withLock { $0.handle = handle }
    return true
  }

  /// The first time counts.
  func complete(_ failure: WinsockError?) {
    let former: State? = state.withLock { state in
      guard state.outcome == nil else { return nil }
      defer {
        state.outcome = failure.map { .failure($0) } ?? .success(())
        state.told = nil
      }
      return state
    }
    guard let former else { return }
    if let ticket = former.ticket { provider.changes.cancel(ticket) }
    if let handle = former.handle { _ = Self.events.remove(handle) }
    former.told?.action(failure)
  }

  /// A provider has set the event that it was given. False for what is none, or none any more.
  static func set(_ event: Handle) -> Bool {
    guard let notice = events[event] else { return false }
    notice.takeBack()
    let code = Int32(truncatingIfNeeded: notice.overlapped.pointee.Internal)
    notice.complete(code == 0 || code == WSA_IO_PENDING ? nil : WinsockError(rawValue: code).normalised)
    return true
  }
}

extension Result where Success == Void, Failure == WinsockError {
  fileprivate var failure: WinsockError? { if case .failure(let error) = self { error } else { nil } }
}

extension Lookup {
  /// What became of `WSANSPIoctl`.
  public enum Control: Sendable {
    /// With what a version 1 provider has written.
    case done([UInt8])
    case pending(ChangeNotice)
  }

  /// How many may wait at once.
  private static let maximumNotices = 16

  /// What the host keeps of one, about.
  private static let noticeBytes = 1024

  /// `WSANSPIoctl` (nsp.md §8.7): only on a lookup at one provider. `SIO_NSP_NOTIFY_CHANGE` that does not wait only asks:
  /// `WSAEWOULDBLOCK` says that what was delivered still holds. A version 1 provider is asked itself, and may know other codes; of others
  /// the host sees what is registered through it, and hears what they say (`NSPHostChanged`). Calls out.
  public func control(_ code: UInt32, input: [UInt8] = [], outputSize: Int = 0, waits: Bool) throws(WinsockError) -> Control {
    let (target, isOver): ((Opened, UInt64, Int)?, Bool) = state.withLock { state in
      let open = state.legs.filter { $0.opened != nil || !$0.isStarted && !$0.isDone }
      let opened = open.count == 1 ? open[0].opened.map { ($0, open[0].seenChanges) } : nil
      if let opened, let index = state.legs.firstIndex(where: { $0.opened != nil }) {
        state.legs[index].controls += 1
        return ((opened.0, opened.1, index), state.phase == .ended)
      }
      return (nil, state.phase == .ended)
    }
    guard let (opened, seen, leg) = target else { throw isOver ? .invalidHandle : .invalidArgument }
    let provider = opened.session.provider
    if let version1 = provider.version1, provider.isVersion1 {
      // Left when the routine has returned.
      return try ask(version1, opened, leg, code, input, outputSize, waits)
    }
    defer { left(leg) { $0.controls -= 1 } }
    guard code == SIO_NSP_NOTIFY_CHANGE else { throw .operationNotSupported }
    let subject = ChangeSubject(query: restrictions.serviceInstanceName)
    if waits {
      let notice = try keep(ChangeNotice(provider))
      notice.watch(subject, after: seen)
      return .pending(notice)
    }
    guard provider.changes.hasChanged(subject, after: seen) else { throw .wouldBlock }
    return .done([])
  }

  private func keep(_ notice: ChangeNotice) throws(WinsockError) -> ChangeNotice {
    let failure: WinsockError? = state.withLock { state in
      if state.phase == .ended { return .invalidHandle }
      state.notices.removeAll(where: \.isForgettable)
      guard state.notices.count < Self.maximumNotices else { return .noBuffers }
      if state.notices.count == state.mostNotices {
        guard state.mayGrow?(Self.noticeBytes) != false else {
          state.isTooLarge = true
          return .noBuffers
        }
        state.mostNotices += 1
      }
      state.notices.append(notice)
      return nil
    }
    if let failure { throw failure }
    return notice
  }

  /// The provider itself says when what it delivered has changed.
  private func ask(
    _ version1: any ServiceClassRoutines, _ opened: Opened, _ leg: Int, _ code: UInt32, _ input: [UInt8], _ outputSize: Int,
    _ waits: Bool
  ) throws(WinsockError) -> Control {
    let notice: ChangeNotice?
    do throws(WinsockError) {
      // Of what goes on, only a change has anything to say at its end.
      guard version1.hasIoctl, !waits || code == SIO_NSP_NOTIFY_CHANGE else { throw .operationNotSupported }
      notice = waits ? try keep(ChangeNotice(opened.session.provider)) : nil
      if let notice, !notice.makeEvent() {
        notice.complete(.operationAborted)
        throw .noBuffers
      }
    } catch {
      left(leg) { $0.controls -= 1 }
      throw error
    }
    let provider = opened.session.provider
    let attempt = Attempt<Result<[UInt8], WinsockError>>()
    HostThreads.run { [self] in
      notice?.lend()
      let result: Result<[UInt8], WinsockError>? = CallFrame.inside(provider, id) {
        provider.call(while: { attempt.isOpen && !isOver }) { _ in
          version1.ioctl(opened.handle.pointer, code, input, outputSize, notice?.completion)
        }
      }
      if case .failure(.ioPending)? = result {} else { notice?.takeBack() }
      // Whoever asked has left: nobody waits for the change.
      if !attempt.resolve(result ?? .failure(.tryAgain)) { notice?.complete(.operationAborted) }
      left(leg) { $0.controls -= 1 }
    }
    let result = attempt.wait(for: provider.deadline) ?? .failure(.tryAgain)
    guard case .failure(.ioPending) = result else {
      notice?.complete(.operationAborted)
      return .done(try result.get())
    }
    guard let notice else { throw .systemCallFailure }
    return .pending(notice)
  }

  private var isOver: Bool { state.withLock { $0.phase == .ended } }
}
