/// The life of a binding as a table: nmr.md §11.2. The numbers are the rows of that table.
///
/// proposed → attaching → half → attached → detaching → cleanup → closed
struct BindingState: Sendable {
  enum Phase: Sendable, Equatable {
    /// The pair is chosen; the client's attach callback has not been called or is running.
    case proposed
    /// Inside the provider's attach callback.
    case attaching
    /// The provider has accepted; the client's attach callback is still running.
    case half
    case attached
    case detaching(Progress)
    /// The cleanup callbacks are running.
    case cleanup
    case closed
  }

  /// What of a detach is done.
  struct Progress: OptionSet, Sendable {
    let rawValue: UInt8
    static let client = Progress(rawValue: 1)
    static let provider = Progress(rawValue: 2)
    static let callbacks = Progress(rawValue: 4)
    static let all: Progress = [.client, .provider, .callbacks]
  }

  enum Event {
    /// Its turn to be offered has come.
    case turnCame(isDeregistering: Bool)
    /// `NmrClientAttachProvider` was called.
    case attachRequested(isDeregistering: Bool)
    case providerAnswered(isAttached: Bool)
    /// The client's attach callback has returned.
    case clientAnswered(isSuccess: Bool, isDeregistering: Bool)
    case sideDeregisters
    case clientDetachReturned(isPending: Bool)
    /// The second detach callback, and so both.
    case providerDetachReturned(isPending: Bool)
    case clientCompletes
    case providerCompletes
    case cleanedUp
  }

  /// What the one who brought the event does now, after the lock is released.
  enum Effect: Equatable {
    case nothing
    case callClientAttach
    case callProviderAttach
    case answer(NTStatus)
    /// The binding belongs into the lists of both sides now.
    case link
    /// `callsClient` is false for a client that broke the contract: it has cleaned up itself.
    case detach(callsClient: Bool)
    case cleanUp(callsClient: Bool)
    case close
    /// The binding was never attached, and its client may have said otherwise.
    case discard(clientClaimedSuccess: Bool)
    case ignore
  }

  private(set) var phase = Phase.proposed
  /// Row 12: the client answered a failure after it was attached; it gets no more callbacks.
  private var isClientGone = false

  mutating func handle(_ event: Event) -> Effect {
    switch (phase, event) {
    case (.proposed, .turnCame(isDeregistering: true)):  // 2
      phase = .closed
      return .discard(clientClaimedSuccess: false)
    case (.proposed, .turnCame): return .callClientAttach  // 3
    case (.proposed, .attachRequested(isDeregistering: false)):  // 4
      phase = .attaching
      return .callProviderAttach
    case (.proposed, .attachRequested): return .answer(.noInterface)  // 5
    case (.attaching, .providerAnswered(isAttached: true)):  // 6
      phase = .half
      return .nothing
    case (.attaching, .providerAnswered):  // 7
      phase = .proposed
      return .nothing
    case (_, .attachRequested): return .answer(.invalidDeviceState)  // 8
    case (.proposed, .clientAnswered(let isSuccess, _)):  // 9
      phase = .closed
      return .discard(clientClaimedSuccess: isSuccess)
    case (.half, .clientAnswered(isSuccess: true, isDeregistering: false)):  // 10
      phase = .attached
      return .link
    case (.half, .clientAnswered(isSuccess: true, _)):  // 11
      phase = .detaching([])
      return .detach(callsClient: true)
    case (.half, .clientAnswered):  // 12
      isClientGone = true
      phase = .detaching(.client)
      return .detach(callsClient: false)
    case (.attached, .sideDeregisters):  // 13
      phase = .detaching([])
      return .detach(callsClient: true)
    case (.detaching(let progress), .clientDetachReturned(let isPending)):  // 14
      return advance(progress, isPending ? [] : .client)
    case (.detaching(let progress), .providerDetachReturned(let isPending)):  // 15, 16
      return advance(progress, isPending ? .callbacks : [.provider, .callbacks])
    case (.detaching(let progress), .clientCompletes) where !progress.contains(.client):  // 17
      return advance(progress, .client)
    case (.detaching(let progress), .providerCompletes) where !progress.contains(.provider):  // 18
      return advance(progress, .provider)
    case (_, .sideDeregisters): return .nothing  // 20; a proposed or half one sees it when its attach ends
    case (.cleanup, .cleanedUp):  // 22
      phase = .closed
      return .close
    case (_, .clientCompletes), (_, .providerCompletes): return .ignore  // 23
    case (_, .turnCame), (_, .providerAnswered), (_, .clientAnswered), (_, .clientDetachReturned), (_, .providerDetachReturned),
      (_, .cleanedUp):
      preconditionFailure("the registrar itself brought \(event) in \(phase)")
    }
  }

  /// Row 19 when nothing is left to wait for.
  private mutating func advance(_ progress: Progress, _ done: Progress) -> Effect {
    let progress = progress.union(done)
    guard progress == .all else {
      phase = .detaching(progress)
      return .nothing
    }
    phase = .cleanup
    return .cleanUp(callsClient: !isClientGone)
  }
}
