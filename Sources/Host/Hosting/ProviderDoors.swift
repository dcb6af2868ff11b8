import CWinsock
import Providers
import QuerySets

/// The functions that the host offers to providers, where the host is another process: what the C doors of a worker lead to.
public protocol ProviderDoors: AnyObject, Sendable {
  /// `WSAProviderCompleteAsyncCall`: nil, or what the completing thread gets.
  func complete(_ handle: UnsafeMutableRawPointer?, _ code: Int32) -> WinsockError?
  /// `WSAAdvertiseProvider`.
  func advertise(_ id: GUID, _ table: UnsafePointer<NSPV2_ROUTINE>) -> WinsockError?
  /// `WSAUnadvertiseProvider`.
  func unadvertise(_ id: GUID) -> WinsockError?
  /// The class that the routine on this thread is called for, and what is known of it.
  var serviceClass: (id: GUID, known: ServiceClass?)? { get }
  /// Whom the session is for that the startup on this thread opens.
  var client: NSP_CLIENT? { get }
  /// The provider's own settings; nil for one that is not here.
  func settings(of id: GUID) -> Manifest.Settings?
  /// `NSPHostSetFailing`; false for a provider that is not here.
  func setFailing(_ id: GUID, _ reason: String?) -> Bool
  /// `WSASetEvent`; false for what is no event.
  func setEvent(_ event: UnsafeMutableRawPointer?) -> Bool
  /// `NSPHostChanged`: nil, or what the caller gets.
  func changed(_ id: GUID, _ name: String?) -> WinsockError?
  /// `NSPHostLog`.
  func log(_ handle: UnsafeMutableRawPointer?, _ level: LogLevel, _ text: String)
}

/// Whose doors this process opens.
public enum WorkerDoors {
  /// Nil in a process that hosts providers itself. Set before any file is loaded, and never again.
  nonisolated(unsafe) public static var current: (any ProviderDoors)?
}
