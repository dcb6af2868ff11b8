import Rundown
import Synchronization

/// A virtual connection as it was at one moment.
public struct CallSnapshot: Sendable {
  public enum Owner: String, Sendable {
    case client
    case callManager = "cm"
    case miniportCallManager = "mcm"
    case signalling
  }

  public var handle: Handle
  /// Counts connections, for people; handles are for drivers.
  public var number: UInt64
  public var owner: Owner
  public var state: CallState
  public var activation: ActivationState
  public var parties: Int
  public var age: Duration
  public var lastEvent: CallEvent
  /// The two sides' own contexts.
  public var clientContext: DriverContext
  public var managerContext: DriverContext

  /// An incoming close would reach the client: it is up or offered, and not closing yet (condis.md §13.1).
  public var canBeClosed: Bool { CallOperation.dispatchIncomingClose.answer(in: state) == .go }
}

extension CoNDIS {
  /// Whether data may move on a connection now, the send row of condis.md §13.1: `success`, `vcNotActivated`, `closing`, or
  /// `failure` for a handle that names none. What a data path asks before it takes something.
  public func sendStatus(_ handle: Handle) -> NDISStatus {
    guard let vc = connections[handle] else { return .failure }
    return vc.state.withLock { state in
      if let refusal = state.existence.refusal { return refusal }
      return switch state.call {
      case .closeIndicated, .closing: .closing
      case .idle, .making, .upOut, .offered, .accepted, .upIn:
        state.activation == .active || state.activation == .reactivating ? .success : .vcNotActivated
      }
    }
  }

  /// Every virtual connection that is alive, in the order of their numbers.
  public var calls: [CallSnapshot] {
    let now = ContinuousClock.now
    return connections.entries.map { Self.snapshot($0, $1, now) }.sorted { $0.number < $1.number }
  }

  /// One of them; nil for a handle that names none.
  public func snapshot(_ handle: Handle) -> CallSnapshot? {
    connections[handle].map { Self.snapshot(handle, $0, .now) }
  }

  private static func snapshot(_ handle: Handle, _ vc: VirtualConnection, _ now: ContinuousClock.Instant) -> CallSnapshot {
    let owner: CallSnapshot.Owner
    switch vc.creator {
    case .client: owner = .client
    case .callManager: owner = .callManager
    case .miniportCallManager: owner = .miniportCallManager
    case .signalling: owner = .signalling
    }
    return vc.state.withLock { state in
      CallSnapshot(
        handle: handle, number: vc.number, owner: owner, state: state.call, activation: state.activation,
        parties: state.parties.count, age: now - vc.createdAt, lastEvent: state.lastEvent, clientContext: state.clientContext,
        managerContext: state.managerContext)
    }
  }
}
