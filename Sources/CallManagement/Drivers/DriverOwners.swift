import CWinsock
import Rundown

/// Which driver each adapter and each binding belongs to: a driver in use keeps its tables.
final class DriverOwners: Sendable {
  private let owners = Locked<[Handle: DriverTables]>([:])

  func note(_ handle: Handle, _ driver: DriverTables) { owners.withLock { $0[handle] = driver } }

  /// What `handle` names was closed, if the status says so.
  func release(_ handle: Handle, _ status: NDISStatus) -> NDIS_STATUS {
    if status == .success { owners.withLock { $0.removeValue(forKey: handle) }?.endUse() }
    return status.rawValue
  }
}
