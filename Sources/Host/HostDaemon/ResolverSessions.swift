import CallManagement
import Glibc
import Hosting
import Providers
import Rundown
import Sessions

/// The sessions of those who only resolve names: one for all processes of a user and group. What they ask leaves nothing behind with a
/// provider, so that none of them needs one of its own, and most of them ask for one name and end.
final class ResolverSessions: Sendable {
  private struct Key: Hashable {
    var userID: UInt32
    var groupID: UInt32

    init(_ peer: PeerCredentials) { (userID, groupID) = (peer.userID, peer.groupID) }
  }

  private struct State {
    var clients: [Key: LoopbackClient] = [:]
    /// Connections that have a part in each.
    var users: [Key: Int] = [:]
    var isStopping = false
  }

  private let host: ProviderHost
  private let state = Locked<State>(State())

  /// Beyond so many, one that has no connection is ended.
  private static let most = 256

  init(_ host: ProviderHost) { self.host = host }

  /// A connection has come. Throws where its user may not have a session.
  func enter(_ peer: PeerCredentials) throws(NDISStatus) {
    state.withLock { $0.users[Key(peer), default: 0] += 1 }
    do throws(NDISStatus) { _ = try session(for: peer) } catch {
      leave(peer)
      throw error
    }
  }

  func leave(_ peer: PeerCredentials) {
    state.withLock { state in
      let rest = state.users[Key(peer), default: 1] - 1
      state.users[Key(peer)] = rest > 0 ? rest : nil
    }
  }

  /// Opens it where there is none, or where somebody has ended it.
  func session(for peer: PeerCredentials) throws(NDISStatus) -> ClientSession {
    let key = Key(peer)
    let (known, isStopping) = state.withLock { ($0.clients[key]?.session, $0.isStopping) }
    if let known, known.isOpen { return known }
    if isStopping { throw .closing }
    // Several processes: no one of them.
    let new = try host.open(ClientIdentity(processID: 0, userID: peer.userID, groupID: peer.groupID, command: "names"))
    // Another one may have been as quick: that one counts.
    let (chosen, ended): (ClientSession?, [LoopbackClient]) = state.withLock { state in
      if state.isStopping { return (nil, [new]) }
      if let other = state.clients[key], other.session.isOpen { return (other.session, [new]) }
      let former = state.clients.updateValue(new, forKey: key)
      let isFull = state.clients.count > Self.most
      let idle = isFull ? state.clients.first { $0.key != key && state.users[$0.key] == nil } : nil
      if let idle { state.clients[idle.key] = nil }
      return (new.session, [former, idle?.value].compactMap(\.self))
    }
    // What their providers do then is not for whoever asks here to wait for.
    if !ended.isEmpty { HostThreads.run { for one in ended { one.hangUp() } } }
    guard let chosen else { throw .closing }
    return chosen
  }

  /// Ends all of them, and waits a moment for their providers.
  func stop() {
    let clients = state.withLock { state in
      defer { state.clients = [:] }
      state.isStopping = true
      return Array(state.clients.values)
    }
    HostThreads.runEach(clients) { $0.hangUpAndWait(.shuttingDown, deadline: .seconds(2)) }
  }
}
