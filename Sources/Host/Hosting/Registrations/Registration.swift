import CWinsock
import Dispatch
import Providers
import QuerySets
import Rundown
import Sessions

/// What a registration asks of a provider (`WSAESETSERVICEOP`).
public enum RegistrationOperation: UInt32, Sendable, CaseIterable {
  case register = 0
  case deregister = 1
  case delete = 2
}

/// What became of a registration at one provider.
public struct RegistrationOutcome: Sendable {
  /// What the provider is called.
  public let name: String
  /// Nil where it is down, and was not asked.
  public let provider: Provider?
  /// Nil: done.
  public let failure: WinsockError?
  /// Why it could not take the registration; nil where it could, or has said something else.
  public let outage: Outage?
  public let took: Duration
  /// The rule by which the host has refused it; nil where the provider was asked, or is down.
  public let refusal: String?
  /// It is done, and counts for the queries of its own user alone.
  public let countsForUserOnly: Bool

  init(
    name: String, provider: Provider, failure: WinsockError?, ending: Finding?, took: Duration, countsForUserOnly: Bool
  ) {
    self.countsForUserOnly = countsForUserOnly
    (self.name, self.provider, self.failure, self.took, refusal) = (name, provider, failure, took, nil)
    outage = if case .down(let outage)? = ending { outage } else { nil }
  }

  /// Of one that could not be asked.
  init(_ participant: Route.Participant, _ finding: Finding) {
    (name, provider, took, refusal) = (participant.name, participant.provider, .zero, nil)
    countsForUserOnly = false
    failure = Finding.answer([finding])
    outage = if case .down(let outage) = finding { outage } else { nil }
  }

  /// Of one that the host does not pass on.
  init(refusal: String, at provider: Provider) {
    (name, self.provider, took) = (provider.name, provider, .zero)
    (self.refusal, failure, outage, countsForUserOnly) = (refusal, .accessDenied, nil, false)
  }
}

/// Says in the log why registrations are refused: for each user once a minute, so that nobody fills it; all of them at the level `debug`.
final class RefusalLog: Sendable {
  private let said = Locked<[UInt32: MonotonicTime]>([:])
  private static let users = 1024

  func note(_ refusal: String, of client: ClientIdentity, _ query: QueryID) {
    let now = MonotonicTime.now
    let isFirst = said.withLock { said in
      if let last = said[client.userID], now - last < .seconds(60) { return false }
      if said.count >= Self.users { said.removeAll() }
      said[client.userID] = now
      return true
    }
    HostLog.write(isFirst ? .info : .debug, query: query, "a registration by \(client) is refused: \(refusal)".printable)
  }
}

/// One `SetServiceEx` call in progress. The client waits for it; the provider may complete it from anywhere, or never.
final class RegistrationCall: ClientResource, AsyncCallOwner {
  private let id: QueryID
  private let serviceClass: QueryClass?
  private let client: ClientSession
  private let provider: Provider
  private let call: AsyncCall
  private let attempt = Attempt<WinsockError?>()
  private let number = Locked<UInt64>(0)
  private let whenLate: @Sendable (WinsockError?) -> Void

  /// - Parameters:
  ///   - registration: Copied deeply into memory that belongs to the provider until it completes the call.
  ///   - whenLate: What the provider made of it after all, when nobody waited any more. On a thread of the host.
  init(
    id: QueryID, client: ClientSession, provider: Provider, registration: QuerySet, serviceClass: QueryClass?,
    whenLate: @escaping @Sendable (WinsockError?) -> Void
  ) throws(QuerySetError) {
    self.whenLate = whenLate
    let size = try registration.packedSize(as: .v2)
    self.id = id
    self.client = client
    self.provider = provider
    call = AsyncCall(blockSize: size)
    try registration.pack(as: .v2, into: call.block.bytes)
    call.providerID.pointee = provider.id
    self.serviceClass = serviceClass
  }

  /// Makes the call and waits for its completion, up to the provider's deadline. Calls out. Nil is success.
  func run(_ operation: RegistrationOperation, flags: UInt32) -> WinsockError? {
    guard let handle = client.adopt(self) else { return .cancelled }
    defer { _ = client.resources.remove(handle) }
    if provider.isBlocking {
      HostThreads.run { [self] in perform(operation, flags) }
    } else {
      perform(operation, flags)
    }
    if let completed = attempt.wait(for: provider.deadline) { return completed }
    abandon()
    provider.ledger.record(.lateCall)
    return .tryAgain
  }

  private func perform(_ operation: RegistrationOperation, _ flags: UInt32) {
    let session: StartedSession
    let argument: SessionArgument
    switch CallFrame.inside(provider, id, client: client.identity, { client.use(provider, query: id.rawValue) }) {
    case .failure(let error):
      _ = attempt.resolve(error)
      return
    case .success(let used): (session, argument) = used
    }
    guard let armed = call.arm(session: session, owner: self, purpose: CallPurpose(query: id, leg: 0), delivery: nil) else {
      _ = attempt.resolve(.cancelled)
      return
    }
    number.withLock { $0 = armed.number }
    let context = CallContext(query: id.rawValue, serviceClass: serviceClass?.context(at: provider))
    let called: Void? = CallFrame.inside(provider, id, serviceClass: serviceClass) {
      provider.call(while: { call.isUnanswered && attempt.isOpen }) { routines in
        routines.setServiceEx(
          asyncCall: armed.handle.pointer, call.providerID,
          registration: call.block.start.assumingMemoryBound(to: WSAQUERYSET2W.self),
          operation: WSAESETSERVICEOP(rawValue: operation.rawValue), flags: flags, argument: argument,
          context)
      }
    }
    // Given up before its turn came: the provider never hears of it.
    if called == nil { _ = AsyncCall.complete(armed.handle.pointer, code: WSATRY_AGAIN) }
    if case .proceed(let outcome) = call.routineReturned() { answered(outcome) }
  }

  func resume(_: CallPurpose, _: AsyncCall, _ outcome: CallOutcome) { answered(outcome) }

  private func answered(_ outcome: CallOutcome) {
    if !attempt.resolve(outcome.failure) { late(outcome) }
  }

  func late(_ outcome: CallOutcome) { HostThreads.run { [whenLate] in whenLate(outcome.failure) } }

  func end() {
    _ = attempt.resolve(.cancelled)
    abandon()
  }

  func drop(_ provider: Provider) {
    if provider === self.provider { end() }
  }

  private func abandon() { _ = call.abandon(number: number.withLock { $0 }) }
}
