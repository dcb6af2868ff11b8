import CLinux
import Glibc
import HostDaemon
import NSPClient
import QuerySets
import Testing
import Wire

@Suite struct NetworkNamespaceTests {
  private static let here = NetworkNamespace(cookie: 3)
  private static let there = NetworkNamespace(cookie: 4101)

  @Test(
    "queries of glibc's module are answered by the rule, the host's namespace and the client's",
    arguments: [
      (NetworkNamespaces.own, here, here, true),
      (.own, here, there, false),
      (.own, here, nil, false),
      // A kernel that does not tell its own does not tell others either.
      (.own, nil, nil, true),
      (.own, nil, there, true),
      (.all, here, here, true),
      (.all, here, there, true),
      (.all, nil, nil, true),
    ] as [(NetworkNamespaces, NetworkNamespace?, NetworkNamespace?, Bool)])
  func verdicts(_ rule: NetworkNamespaces, _ own: NetworkNamespace?, _ peer: NetworkNamespace?, _ isAdmitted: Bool) {
    #expect((NetworkAdmission(rule, own: own).verdict(peer) == .admitted) == isAdmitted)
  }

  @Test("a namespace is told of once; of so many that no list grows without end")
  func told() {
    let admission = NetworkAdmission(.own, own: Self.here)
    #expect(admission.verdict(Self.there) == .refused(isNew: true))
    #expect(admission.verdict(Self.there) == .refused(isNew: false))
    let told = (10_000..<20_000).count { admission.verdict(NetworkNamespace(cookie: $0)) == .refused(isNew: true) }
    #expect(told == 255)
    #expect(admission.verdict(Self.here) == .admitted)
  }

  @Test("the namespace of a socket is that of the thread that has made it, on both ends of a connection")
  func sockets() throws {
    var ends: [Int32] = [-1, -1]
    try #require(nsp_socket_pair(&ends) == 0)
    defer { for one in ends { close(one) } }
    let own = try #require(NetworkNamespace.own, "this kernel does not tell the network namespace of a socket")
    #expect(NetworkNamespaces.areKnown && NetworkNamespace(of: ends[0]) == own && NetworkNamespace(of: ends[1]) == own)
    #expect(NetworkNamespace(of: -1) == nil)
  }

  @Test("a refused hello says why behind its status")
  func refusal() throws {
    let served = try ServedHost("witness", admits: { _ in false })
    defer { served.finish() }
    let client = try RawClient(served, hello: false)
    let answer = try client.hello()
    #expect(answer.status == .accessDenied && answer.payload == [UInt8](repeating: 0, count: 8))
  }
}
