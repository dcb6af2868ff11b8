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
  public var owner: Owner
  public var state: CallState
  public var activation: ActivationState
  public var parties: Int
  public var age: Duration
  /// The two sides' own contexts.
  public var clientContext: DriverContext
  public var managerContext: DriverContext
}

extension CoNDIS {
  /// Every virtual connection that is alive, in no particular order.
  public var calls: [CallSnapshot] {
    let now = ContinuousClock.now
    return connections.entries.map { handle, vc in
      vc.state.withLock { state in
        let owner: CallSnapshot.Owner
        switch vc.creator {
        case .client: owner = .client
        case .callManager: owner = .callManager
        case .miniportCallManager: owner = .miniportCallManager
        case .signalling: owner = .signalling
        }
        return CallSnapshot(
          handle: handle, owner: owner, state: state.call, activation: state.activation, parties: state.parties.count,
          age: now - vc.createdAt, clientContext: state.clientContext, managerContext: state.managerContext)
      }
    }
  }
}
