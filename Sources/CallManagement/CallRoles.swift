import Rundown

/// A driver's own value: stored and handed back, never looked into (condis.md §1.2).
public struct DriverContext: @unchecked Sendable, Hashable {
  // Unchecked: a number to everyone but its driver.
  public let pointer: UnsafeMutableRawPointer?
  public init(_ pointer: UnsafeMutableRawPointer?) { self.pointer = pointer }
  public static let none = DriverContext(nil)
}

/// Memory of the caller that is passed on as it is: call parameters, a SAP, an address family. Valid until the request that it came
/// with is complete (condis.md §1.4 rule 7).
public struct PassedPointer: @unchecked Sendable, Hashable {
  // Unchecked: never followed here.
  public let pointer: UnsafeMutableRawPointer?
  public init(_ pointer: UnsafeMutableRawPointer?) { self.pointer = pointer }
  public static let none = PassedPointer(nil)
}

/// Disconnect data: belongs to the caller, and is read during the callback only (condis.md §11.2).
public struct CloseData: @unchecked Sendable {
  // Unchecked: used on the stack of the call that brings it.
  public let pointer: UnsafeMutableRawPointer?
  public let size: UInt32
  /// It came with a size and without data.
  let isMalformed: Bool

  /// A pointer without a size, and a size without a pointer, are nothing.
  public init(_ pointer: UnsafeMutableRawPointer?, _ size: UInt32) {
    self.pointer = size == 0 ? nil : pointer
    self.size = pointer == nil ? 0 : size
    isMalformed = pointer == nil && size != 0
  }

  public static let none = CloseData(nil, 0)
}

/// What a call manager signals for: matched by its number alone, the versions are for the drivers to judge (condis.md §6.1).
public struct AddressFamily: Sendable, Hashable {
  public let number: UInt32
  public let majorVersion: UInt32
  public let minorVersion: UInt32

  public init(number: UInt32, majorVersion: UInt32 = 0, minorVersion: UInt32 = 0) {
    self.number = number
    self.majorVersion = majorVersion
    self.minorVersion = minorVersion
  }
}

/// The callbacks of a connection-oriented client (condis.md §4.2). Called on the thread that caused them, without any lock held;
/// every function of `CoNDIS` may be called from inside.
public protocol CallClient: AnyObject, Sendable {
  func addressFamilyRegistered(_ binding: DriverContext, _ family: AddressFamily)
  func openAddressFamilyComplete(_ family: DriverContext, _ handle: Handle?, _ status: NDISStatus)
  func closeAddressFamilyComplete(_ status: NDISStatus, _ family: DriverContext)
  func notifyCloseAddressFamily(_ family: DriverContext) -> NDISStatus
  func registerSAPComplete(_ status: NDISStatus, _ sap: DriverContext, _ address: PassedPointer, _ handle: Handle?)
  func deregisterSAPComplete(_ status: NDISStatus, _ sap: DriverContext)
  func createVC(_ family: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext)
  func deleteVC(_ vc: DriverContext) -> NDISStatus
  func makeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: Handle?, _ parameters: PassedPointer)
  func incomingCall(_ sap: DriverContext, _ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus
  func callConnected(_ vc: DriverContext)
  func modifyCallQoSComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer)
  func incomingCallQoSChange(_ vc: DriverContext, _ parameters: PassedPointer)
  func closeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: DriverContext)
  func incomingCloseCall(_ status: NDISStatus, _ vc: DriverContext, _ data: CloseData)
  func addPartyComplete(_ status: NDISStatus, _ party: DriverContext, _ handle: Handle?, _ parameters: PassedPointer)
  func dropPartyComplete(_ status: NDISStatus, _ party: DriverContext)
  func incomingDropParty(_ status: NDISStatus, _ party: DriverContext, _ data: CloseData)
  func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus
  func oidRequestComplete(_ origin: RequestTarget, _ request: PassedPointer, _ status: NDISStatus)
  func statusIndicated(_ binding: DriverContext, _ vc: DriverContext, _ indication: PassedPointer)
}

/// The receiver's own contexts of what a request is about, or the requester's of what it was (condis.md §17).
public struct RequestTarget: Sendable, Hashable {
  /// Of the address family, or of the adapter where a miniport is asked.
  public var owner: DriverContext
  public var vc = DriverContext.none
  public var party = DriverContext.none
}

/// The placeholders of a client that has no use for something (condis.md §3).
extension CallClient {
  public func addressFamilyRegistered(_ binding: DriverContext, _ family: AddressFamily) {}
  public func openAddressFamilyComplete(_ family: DriverContext, _ handle: Handle?, _ status: NDISStatus) {}
  public func closeAddressFamilyComplete(_ status: NDISStatus, _ family: DriverContext) {}
  public func notifyCloseAddressFamily(_ family: DriverContext) -> NDISStatus { .notSupported }
  public func registerSAPComplete(_ status: NDISStatus, _ sap: DriverContext, _ address: PassedPointer, _ handle: Handle?) {}
  public func deregisterSAPComplete(_ status: NDISStatus, _ sap: DriverContext) {}
  public func makeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: Handle?, _ parameters: PassedPointer) {}
  public func incomingCall(_ sap: DriverContext, _ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus { .notSupported }
  public func callConnected(_ vc: DriverContext) {}
  public func modifyCallQoSComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer) {}
  /// Returning agrees to the change.
  public func incomingCallQoSChange(_ vc: DriverContext, _ parameters: PassedPointer) {}
  public func addPartyComplete(_ status: NDISStatus, _ party: DriverContext, _ handle: Handle?, _ parameters: PassedPointer) {}
  public func dropPartyComplete(_ status: NDISStatus, _ party: DriverContext) {}
  public func incomingDropParty(_ status: NDISStatus, _ party: DriverContext, _ data: CloseData) {}
  public func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus { .notSupported }
  public func oidRequestComplete(_ origin: RequestTarget, _ request: PassedPointer, _ status: NDISStatus) {}
  public func statusIndicated(_ binding: DriverContext, _ vc: DriverContext, _ indication: PassedPointer) {}
}

/// The callbacks of a call manager, stand-alone or in a miniport (condis.md §5.2). As for `CallClient`.
public protocol CallManager: AnyObject, Sendable {
  /// - Parameter owner: The context of the binding of a stand-alone call manager, or of the adapter of a miniport call manager.
  func openAddressFamily(_ owner: DriverContext, _ family: AddressFamily, _ handle: Handle) -> (NDISStatus, DriverContext)
  func closeAddressFamily(_ family: DriverContext) -> NDISStatus
  func notifyCloseAddressFamilyComplete(_ family: DriverContext, _ status: NDISStatus)
  func registerSAP(_ family: DriverContext, _ address: PassedPointer, _ handle: Handle) -> (NDISStatus, DriverContext)
  func deregisterSAP(_ sap: DriverContext) -> NDISStatus
  func createVC(_ family: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext)
  func deleteVC(_ vc: DriverContext) -> NDISStatus
  func makeCall(_ vc: DriverContext, _ parameters: PassedPointer, _ party: Handle?) -> (NDISStatus, DriverContext)
  func closeCall(_ vc: DriverContext, _ party: DriverContext, _ data: CloseData) -> NDISStatus
  func incomingCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer)
  func modifyCallQoS(_ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus
  func addParty(_ vc: DriverContext, _ parameters: PassedPointer, _ party: Handle) -> (NDISStatus, DriverContext)
  func dropParty(_ party: DriverContext, _ data: CloseData) -> NDISStatus
  /// Stand-alone call managers only.
  func activateVCComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer)
  func deactivateVCComplete(_ status: NDISStatus, _ vc: DriverContext)
  func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus
  func oidRequestComplete(_ origin: RequestTarget, _ request: PassedPointer, _ status: NDISStatus)
  func statusIndicated(_ binding: DriverContext, _ vc: DriverContext, _ indication: PassedPointer)
}

/// The placeholders of a call manager, likewise.
extension CallManager {
  public func notifyCloseAddressFamilyComplete(_ family: DriverContext, _ status: NDISStatus) {}
  public func createVC(_ family: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext) { (.notSupported, .none) }
  public func deleteVC(_ vc: DriverContext) -> NDISStatus { .notSupported }
  public func makeCall(_ vc: DriverContext, _ parameters: PassedPointer, _ party: Handle?) -> (NDISStatus, DriverContext) {
    (.notSupported, .none)
  }
  public func incomingCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer) {}
  public func modifyCallQoS(_ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus { .notSupported }
  public func addParty(_ vc: DriverContext, _ parameters: PassedPointer, _ party: Handle) -> (NDISStatus, DriverContext) {
    (.notSupported, .none)
  }
  public func dropParty(_ party: DriverContext, _ data: CloseData) -> NDISStatus { .notSupported }
  public func activateVCComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer) {}
  public func deactivateVCComplete(_ status: NDISStatus, _ vc: DriverContext) {}
  public func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus { .notSupported }
  public func oidRequestComplete(_ origin: RequestTarget, _ request: PassedPointer, _ status: NDISStatus) {}
  public func statusIndicated(_ binding: DriverContext, _ vc: DriverContext, _ indication: PassedPointer) {}
}

/// The callbacks of a connection-oriented miniport under a stand-alone call manager (condis.md §5.5).
public protocol ConnectionMiniport: AnyObject, Sendable {
  func createVC(_ adapter: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext)
  func deleteVC(_ vc: DriverContext) -> NDISStatus
  func activateVC(_ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus
  func deactivateVC(_ vc: DriverContext) -> NDISStatus
  func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus
}

extension ConnectionMiniport {
  public func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus { .notSupported }
}
