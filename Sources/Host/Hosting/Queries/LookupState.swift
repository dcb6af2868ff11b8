import CWinsock
import Providers
import QuerySets
import Rundown
import Sessions

/// What a lookup knows of itself, and what it tells about it.
extension Lookup {
  /// One provider's part in the query.
  struct Leg: Sendable {
    let id: GUID
    /// Another one, once this one has been replaced before the query reached it; nil once this lookup has nothing more to do
    /// with it: it must not keep its file mapped.
    var provider: Provider?
    /// Legs of one fall-back chain share a number: the first that delivers is the only one.
    let chain: Int?
    var isStarted = false
    var isDone = false
    /// Taken out by whoever ends it, so that End is called exactly once.
    var opened: Opened?
    var record = LegRecord()
    /// How many changes the provider had seen when it was asked last.
    var seenChanges: UInt64 = 0
    /// Calls of NSPIoctl that have not returned.
    var controls = 0
    /// A NextEx has not returned that an End would surprise: the provider does not say that its routines wait.
    var isInNext = false
    /// The End that waits for them.
    var endsLater: Opened?

    init(_ participant: Route.Participant, chain: Int?) {
      id = participant.id
      self.chain = chain
      provider = participant.provider
      guard case .down(let outage) = participant.standing else { return }
      (isStarted, isDone) = (true, true)
      record.ending = .down(outage)
    }
  }

  /// A lookup that is open at a provider. Holds the session's gate and the provider's calls.
  struct Opened: Sendable {
    let session: StartedSession
    let handle: ProviderLookupHandle
  }

  enum Phase {
    case idle
    /// Somebody drives the query forward.
    case busy
    case ended
  }

  /// Until when a provider may take to complete a call.
  struct Deadline: Sendable {
    let purpose: CallPurpose
    let number: UInt64
    let end: MonotonicTime
  }

  struct State {
    var phase = Phase.idle
    var whenEnded: (@Sendable () -> Void)?
    var mayGrow: (@Sendable (Int) -> Bool)?
    /// Its blocks were not allowed to grow.
    var isTooLarge = false
    var legs: [Leg]
    /// The catalog as the route was chosen from; let go of at the end.
    var entries: [Catalog.Entry]
    var current = 0
    /// A delivered record waits in `call` to be taken.
    var holdsRecord = false
    var delivered = 0
    var hasSaidEnd = false
    /// `WSAEFAULT` answers of the provider for the record at hand.
    var growths = 0
    var call: AsyncCall?
    /// The number of the call in flight.
    var armed: UInt64?
    var deadline: Deadline?
    /// The Next being served, once it has to wait; and those that wait for their turn.
    var handle: Handle?
    var waiting: NextTicket?
    var answer: Result<Void, WinsockError>?
    var queue: [NextTicket] = []
    /// Those that wait for a change. Each stays until it is complete and, where it was aborted, until the lookup itself is let go of:
    /// a provider may write to it until its End has returned.
    var notices: [ChangeNotice] = []
    /// As many were there at once as are counted.
    var mostNotices = 0
  }

  /// The code of a query whose providers have all ended, before anything was delivered.
  func answer(_ state: borrowing State) -> WinsockError {
    Finding.answer(state.legs.compactMap(\.record.finding)) ?? .noMore
  }

  /// What a failed call says of a provider.
  static func finding(
    _ error: WinsockError, at provider: Provider, took: Duration, isStartup: Bool = false
  ) -> Finding {
    Finding(
      error,
      Finding.Circumstances(
        isStartup: isStartup, isLate: error == .tryAgain && took >= provider.deadline - timerSlack,
        isGone: provider.condition.isGone,
        failing: provider.condition.reported))
  }

  /// How much earlier than asked for a wait may end, by another clock.
  private static let timerSlack: Duration = .milliseconds(5)

  /// Who was asked so far, in catalog order, and why the others were not. Of a lookup that has ended: nothing.
  public var trace: QueryTrace {
    let (legs, entries) = state.withLock { ($0.legs, $0.entries) }
    let now = MonotonicTime.now
    return QueryTrace(
      lines: entries.enumerated().map { order, entry in
        let verdict: QueryTrace.Verdict
        let leg = legs.first { $0.id == entry.id }
        if let leg {
          verdict =
            leg.record.wasAsked
            ? .asked(status: leg.record.status, results: leg.record.results, took: leg.record.took(at: now))
            : leg.record.outage == nil ? .skipped(.answeredBefore) : .down
        } else {
          verdict = .skipped(Route.skipReason(entry, request, in: entries) ?? .answeredBefore)
        }
        return QueryTrace.Line(
          order: order + 1, provider: entry.manifest.displayName, id: entry.id, verdict: verdict, outage: leg?.record.outage)
      })
  }
}

/// Why a Next gave no record.
public enum LookupError: Error, Equatable, Sendable {
  /// The caller's buffer is too small; the record is kept (nsp.md §9.2).
  case bufferTooSmall(needed: Int)
  case failed(WinsockError)

  public var winsockError: WinsockError {
    switch self {
    case .bufferTooSmall: .fault
    case .failed(let error): error
    }
  }
}
