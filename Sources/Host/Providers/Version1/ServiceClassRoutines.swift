import CWinsock
import QuerySets

/// What version 1 has beyond lookups and registrations: service classes, and control of lookups (nsp.md §6.2, §7). Every call may keep its
/// thread.
public protocol ServiceClassRoutines: AnyObject, Sendable {
  /// `NSPInstallServiceClass`: the whole class, of which the provider keeps what concerns it.
  func install(_ new: ServiceClass) -> WinsockError?
  /// `NSPRemoveServiceClass`.
  func removeClass(_ serviceClass: GUID) -> WinsockError?
  /// `NSPGetServiceClassInfo`: what the provider keeps of a class.
  func serviceClass(_ serviceClass: GUID) -> Result<ServiceClass, WinsockError>
  var hasIoctl: Bool { get }
  /// `NSPIoctl` on a lookup. What `completion` leads to stays valid until it has been delivered, or the lookup's End has returned.
  /// - Returns: What it has written, or why it failed; `WSA_IO_PENDING` where it goes on.
  func ioctl(
    _ lookup: UnsafeMutableRawPointer?, _ code: UInt32, _ input: [UInt8], _ outputSize: Int,
    _ completion: UnsafeMutablePointer<WSACOMPLETION>?
  ) -> Result<[UInt8], WinsockError>
}
