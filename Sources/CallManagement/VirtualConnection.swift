import Glibc
import Rundown

/// One virtual connection: a call at most, parties where it is multipoint. Everything in `state` belongs to its lock; the rest is
/// decided at creation.
final class VirtualConnection: Sendable {
  enum Creator: Sendable {
    case client
    case callManager
    case miniportCallManager
    /// A call manager's own, without an address family.
    case signalling
  }

  struct State {
    var call = CallState.idle
    var activation = ActivationState.inactive
    var existence = Existence.creating
    /// Tells an operation from a later one of its kind: 0 when none is outstanding.
    var makeCall: UInt32 = 0
    var closeCall: UInt32 = 0
    var modifyQoS: UInt32 = 0
    var activationOperation: UInt32 = 0
    var lastOperation: UInt32 = 0
    var partyOperations = 0
    var requests = 0
    var isMultipoint = false
    var parties: [Party] = []
    /// The offer that the client's incoming-call callback is looking at right now.
    var offer = Offer.none
    var offerNumber: UInt32 = 0
    /// The threads of the indications to the client that are running, each as often as it runs one.
    var running: [UInt] = []
    var deferred: DeferredClose?
    var lastEvent = CallEvent.created
    /// The last call was ended because of a problem: its client should not make another on this connection.
    var wasBroken = false
    /// Contexts; written before the handle can be used by anyone else.
    var clientContext = DriverContext.none
    var managerContext = DriverContext.none
    var miniportContext = DriverContext.none

    mutating func begin() -> UInt32 {
      lastOperation &+= 1
      if lastOperation == 0 { lastOperation = 1 }
      return lastOperation
    }

    /// Nothing that a deletion would have to wait for.
    var isAtRest: Bool {
      call == .idle && makeCall == 0 && closeCall == 0 && modifyQoS == 0 && partyOperations == 0 && requests == 0
        && activationOperation == 0
    }
  }

  /// From the first callback of the creation to the last one of the deletion.
  enum Existence {
    case creating
    case alive
    case deleting
    case gone

    /// Why nothing can be done to the connection; nil when it is there.
    var refusal: NDISStatus? {
      switch self {
      case .creating, .gone: .failure
      case .alive: nil
      case .deleting: .closing
      }
    }
  }

  /// What became of an offer while the client's callback runs.
  enum Offer {
    case none
    case running
    /// The client answered from inside, or from another thread.
    case answered
    /// The client closed the call instead.
    case closed
  }

  struct DeferredClose {
    let status: NDISStatus
    let data: [UInt8]
  }

  /// Counts connections, for people.
  let number: UInt64
  let creator: Creator
  /// Nil for a signalling connection.
  let family: FamilyOpen?
  /// Nil under a miniport call manager.
  let miniport: (any ConnectionMiniport)?
  let adapter: CoNDIS.Adapter
  /// Whose signalling connection it is; nil for one with an address family.
  let signaller: CoNDIS.Binding?
  let state = Locked<State>(State())
  let createdAt = ContinuousClock.now

  init(
    number: UInt64, creator: Creator, family: FamilyOpen?, miniport: (any ConnectionMiniport)?, adapter: CoNDIS.Adapter,
    signaller: CoNDIS.Binding? = nil
  ) {
    self.number = number
    self.creator = creator
    self.family = family
    self.miniport = miniport
    self.adapter = adapter
    self.signaller = signaller
  }

  /// The call manager's, and without a call but one that is being closed: no concern of the client's.
  var isIdleAndForeign: Bool {
    creator != .client
      && state.withLock { state in
        guard state.existence != .creating else { return false }
        if case .closing = state.call { return true }
        return state.call == .idle
      }
  }

  var isOfMiniportCallManager: Bool { family != nil && miniport == nil }

  /// The call manager, where the miniport is another driver's.
  var standAloneManager: (any CallManager)? { isOfMiniportCallManager ? nil : signaller?.callManager ?? family?.manager }
}

/// A leaf of a multipoint call (condis.md §12). Its state belongs to the lock of its connection.
final class Party: @unchecked Sendable {
  // Unchecked: see above.
  enum State {
    case adding
    case active
    case dropIndicated
    case dropping
    case gone
  }

  let vc: VirtualConnection
  let vcHandle: Handle
  let clientContext: DriverContext
  /// Written before anybody else has the party.
  var handle = Handle(rawValue: 0)
  var managerContext = DriverContext.none
  var state = State.adding
  /// Where a drop that fails takes it back to.
  var formerState = State.active
  var operation: UInt32 = 0

  init(vc: VirtualConnection, handle: Handle, clientContext: DriverContext) {
    self.vc = vc
    vcHandle = handle
    self.clientContext = clientContext
  }
}

/// One client's use of an address family on one adapter.
final class FamilyOpen: @unchecked Sendable {
  // Unchecked: the variables belong to the lock of `CoNDIS`.
  enum State {
    case opening
    case open
    case closing
    case closed
  }

  let family: AddressFamily
  let client: any CallClient
  let clientBinding: Handle
  let manager: any CallManager
  /// The binding of a stand-alone call manager.
  let managerBinding: Handle?
  let miniport: (any ConnectionMiniport)?
  let clientContext: DriverContext
  var managerContext = DriverContext.none
  var state = State.opening
  var operation: UInt32 = 1
  var notification: UInt32 = 0
  var connections = 0
  var saps = 0
  var handle = Handle(rawValue: 0)
  var holdsBindings = true

  init(
    family: AddressFamily, client: any CallClient, clientBinding: Handle, manager: any CallManager, managerBinding: Handle?,
    miniport: (any ConnectionMiniport)?, clientContext: DriverContext
  ) {
    self.family = family
    self.client = client
    self.clientBinding = clientBinding
    self.manager = manager
    self.managerBinding = managerBinding
    self.miniport = miniport
    self.clientContext = clientContext
  }
}

/// An address at which a client takes incoming calls.
final class ServiceAccessPoint: @unchecked Sendable {
  // Unchecked: the variables belong to the lock of `CoNDIS`.
  enum State {
    case registering
    case registered
    case deregistering
    case gone
  }

  let family: FamilyOpen
  let address: PassedPointer
  let clientContext: DriverContext
  var managerContext = DriverContext.none
  var state = State.registering
  /// Offers through it that the client is looking at.
  var offers = 0
  /// The deregistration is done but for those.
  var isAwaited = false

  init(family: FamilyOpen, address: PassedPointer, clientContext: DriverContext) {
    self.family = family
    self.address = address
    self.clientContext = clientContext
  }
}
