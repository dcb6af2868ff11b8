import CallManagement
import Providers
import Rundown
import Synchronization

/// The transport of clients that live inside the host's own process: a call each, no wire.
public typealias LoopbackTransport = PeerTransport<LoopbackClient>

/// A client inside the host's process: one end of a call.
public final class LoopbackClient: CallPeer, @unchecked Sendable {
  // Unchecked: both are written once, before anybody else has the client.
  public var vc = Handle(rawValue: 0)
  private var connected: ClientSession?
  /// Resolved with the status of the close, when every provider has been told.
  public let ended = Promise<NDISStatus>()
  private let transport: LoopbackTransport

  /// Calls the host.
  public init(_ identity: ClientIdentity, over transport: LoopbackTransport) throws(NDISStatus) {
    self.transport = transport
    connected = try transport.connect(self, identity)
  }

  public var session: ClientSession { connected! }

  public func callEnded(_ status: NDISStatus) { ended.resolve(status) }

  /// Ends the call. Hung up twice, or by both ends, the first reason counts. Calls out: the thread that hangs up runs providers' last
  /// calls, unless they keep threads.
  public func hangUp(_ reason: CloseReason = .remote) { if ended.isOpen { transport.close(self, reason) } }

  /// `hangUp`, and waits until every provider has been told.
  /// - Returns: false when the deadline passed first; the session is then visible as draining until its calls are completed.
  @discardableResult
  public func hangUpAndWait(_ reason: CloseReason = .remote, deadline: Duration = .seconds(5)) -> Bool {
    hangUp(reason)
    return ended.wait(for: deadline) != nil
  }
}
