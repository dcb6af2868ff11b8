import Glibc
import Rundown

/// From which network namespaces the host answers queries of glibc's module. Addresses that it gives are those of its own: in another
/// one they lead elsewhere, or nowhere.
public enum NetworkNamespaces: String, Sendable {
  /// From the host's own.
  case own
  case all

  /// Whether this kernel tells which one a socket belongs to (SO_NETNS_COOKIE, from Linux 5.14 on).
  public static var areKnown: Bool { NetworkNamespace.own != nil }
}

/// One network namespace, by the number that the kernel never gives to another.
package struct NetworkNamespace: Hashable, Sendable {
  package let cookie: UInt64

  package init(cookie: UInt64) { self.cookie = cookie }

  /// The one in which the socket was made: of a connection that was accepted, that of the client's end, whoever made the listener. Nil
  /// where the kernel does not say.
  package init?(of socket: Int32) {
    // SO_NETNS_COOKIE, which Swift's view of glibc lacks.
    var cookie: UInt64 = 0
    guard PeerProcess.option(socket, 71, &cookie) else { return nil }
    self.cookie = cookie
  }

  /// That of this process, by a socket of its own. Nil where the kernel does not say.
  package static var own: NetworkNamespace? {
    guard let socket = Descriptor(Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)) else {
      return nil
    }
    return NetworkNamespace(of: socket.number)
  }
}

/// Decides for each client of glibc's module whether it is answered, and remembers which namespaces were refused.
package final class NetworkAdmission: Sendable {
  private let rule: NetworkNamespaces
  private let own: NetworkNamespace?
  private let refused = Locked<Set<NetworkNamespace>>([])

  /// Namespaces of containers come and go.
  private static let mostRemembered = 256

  package init(_ rule: NetworkNamespaces, own: NetworkNamespace? = .own) { (self.rule, self.own) = (rule, own) }

  package enum Verdict: Equatable {
    case admitted
    /// Whether it is the first time for this namespace.
    case refused(isNew: Bool)
  }

  /// Where the kernel does not say what the host's own is, nobody can be told apart.
  package func verdict(_ peer: NetworkNamespace?) -> Verdict {
    guard rule == .own, let own, peer != own else { return .admitted }
    guard let peer else { return .refused(isNew: false) }
    return .refused(
      isNew: refused.withLock { $0.count < Self.mostRemembered && $0.insert(peer).inserted })
  }
}
