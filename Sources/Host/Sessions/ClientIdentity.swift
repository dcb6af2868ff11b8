import CWinsock
import Glibc

/// Who a client is, as the transport that brought it knows it.
public struct ClientIdentity: Sendable, Hashable, CustomStringConvertible {
  public var processID: Int32
  public var userID: UInt32
  public var groupID: UInt32
  /// What people call the process; for display only.
  public var command: String
  /// When the process began, in clock ticks since the system did: with the process id, a name that is never used again. 0 where the
  /// transport does not know; then every call is a client of its own.
  public var processStart: UInt64
  /// Tells the sessions that a process has one after the other apart. The client's own word, which counts for nothing else.
  public var sessionNumber: UInt64

  public init(
    processID: Int32, userID: UInt32, groupID: UInt32, command: String, processStart: UInt64 = 0, sessionNumber: UInt64 = 0
  ) {
    self.processID = processID
    self.userID = userID
    self.groupID = groupID
    self.command = command
    self.processStart = processStart
    self.sessionNumber = sessionNumber
  }

  /// Root, and the host's own user: they may do everything.
  public var isOperator: Bool { userID == 0 || userID == geteuid() }

  /// The same, as providers are told it (`NSPHostCurrentClient`).
  public var record: NSP_CLIENT {
    NSP_CLIENT(
      cbSize: DWORD(MemoryLayout<NSP_CLIENT>.size), dwProcessId: DWORD(bitPattern: processID), dwUserId: userID,
      dwGroupId: groupID, dwTraits: isOperator ? DWORD(NSP_CLIENT_IS_OPERATOR) : 0)
  }

  public var description: String { "\(command) (pid \(processID), uid \(userID))" }
}

/// How a client's session ends.
public enum SessionEnding: Sendable, Hashable {
  /// The client said goodbye: Cleanup (nsp.md L9).
  case graceful
  /// The client vanished: Rundown, or Cleanup where the provider has no Rundown (nsp.md L10, L11).
  case abrupt
  /// The provider is going away: Cleanup (nsp.md L13).
  case providerDetached
}
