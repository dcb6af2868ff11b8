import CWinsock
import CallManagement

/// Why a call between a client and the host ends: the status of the incoming close, and the close data of its acknowledgement
/// (nspndis.h, `NSP_CLOSE_…`; condis.md §11.2 leaves the values to the call manager).
public enum CloseReason: String, CaseIterable, Sendable {
  /// The client said goodbye.
  case remote
  /// The client's process is gone, or its end of the connection.
  case lost
  /// The transport's link to its clients is down.
  case lineDown = "line-down"
  /// The client was silent for too long.
  case idle
  /// The client sent what can't be understood.
  case protocolError = "protocol-error"
  /// The client took more than it may.
  case overQuota = "over-quota"
  /// An operator ended it.
  case kicked
  /// The host, or the transport, goes away.
  case shuttingDown = "shutting-down"

  public var status: NDISStatus {
    switch self {
    case .remote: .success
    case .lost: .mediaDisconnect
    case .lineDown: .hardwareLineDown
    case .idle: .networkUnreachable
    case .protocolError: .invalidData
    case .overQuota: .resources
    case .kicked: .requestAborted
    case .shuttingDown: .closing
    }
  }

  /// Nil for statuses that transports make up.
  public init?(_ status: NDISStatus) {
    guard let reason = Self.allCases.first(where: { $0.status == status }) else { return nil }
    self = reason
  }
}

extension SessionEnding {
  /// A client that said goodbye, or a host that does, lets providers clean up; any other close means that the client's side is
  /// gone, whatever the transport calls it.
  init(closedWith status: NDISStatus) {
    switch CloseReason(status) {
    case .remote, .shuttingDown: self = .graceful
    case .lost, .lineDown, .idle, .protocolError, .overQuota, .kicked, nil: self = .abrupt
    }
  }
}
