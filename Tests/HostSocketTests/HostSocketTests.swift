import CHostSocket
import Glibc
import NSPClient
import Testing

@Suite struct HostSocketTests {
  /// What decides, and what comes of it.
  struct Row: Sendable, CustomTestStringConvertible {
    var what: String
    var given: String?
    var variable: String?
    var folder: String?
    var user: UInt32 = 1000
    var isSecure = false
    var configured: String?
    /// Where a client looks, in order.
    var places: [String]
    /// Where a host listens.
    var listener: String

    var testDescription: String { what }
  }

  private static let machine = "/run/nsphost/socket"
  private static let own = "/run/user/1000/nsphost/socket"
  private static let long = "/" + String(repeating: "x", count: 92)

  static let rows: [Row] = [
    Row(what: "nothing is set", places: [machine], listener: machine),
    Row(what: "a user has a place before the machine's", folder: "/run/user/1000", places: [own, machine], listener: own),
    Row(what: "root has none", folder: "/run/user/0", user: 0, places: [machine], listener: machine),
    Row(what: "NSP_SOCKET leaves no other place", variable: "/a", folder: "/run/user/1000", places: ["/a"], listener: "/a"),
    Row(what: "also for root", variable: "/a", user: 0, places: ["/a"], listener: "/a"),
    Row(what: "an empty one is none", variable: "", folder: "/run/user/1000", places: [own, machine], listener: own),
    Row(what: "--socket goes before NSP_SOCKET", given: "/b", variable: "/a", places: ["/b"], listener: "/b"),
    Row(what: "--socket alone", given: "/b", folder: "/run/user/1000", places: ["/b"], listener: "/b"),
    Row(
      what: "the configuration moves the listener, and no client", folder: "/run/user/1000", configured: "/c",
      places: [own, machine],
      listener: "/c"),
    Row(what: "the configuration, for root", user: 0, configured: "/c", places: [machine], listener: "/c"),
    Row(what: "NSP_SOCKET goes before the configuration", variable: "/a", configured: "/c", places: ["/a"], listener: "/a"),
    Row(what: "--socket goes before the configuration", given: "/b", configured: "/c", places: ["/b"], listener: "/b"),
    Row(
      what: "a set-user-ID program does not look at its environment", variable: "/a", folder: "/run/user/1000", isSecure: true,
      places: [machine], listener: machine),
    Row(
      what: "nor one that root has made so", variable: "/a", folder: "/run/user/1000", user: 0, isSecure: true, places: [machine],
      listener: machine),
    Row(what: "it has its arguments", given: "/b", variable: "/a", isSecure: true, places: ["/b"], listener: "/b"),
    Row(what: "and its configuration", variable: "/a", isSecure: true, configured: "/c", places: [machine], listener: "/c"),
    Row(what: "a folder that is not absolute counts for nothing", folder: "run", places: [machine], listener: machine),
    Row(what: "nor does an empty one", folder: "", places: [machine], listener: machine),
    Row(
      what: "the longest path that a socket can have", folder: String(long.prefix(92)),
      places: [long.prefix(92) + "/nsphost/socket", machine], listener: long.prefix(92) + "/nsphost/socket"),
    Row(what: "one byte more is no place", folder: long, places: [machine], listener: machine),
  ]

  @Test("the socket is where --socket, NSP_SOCKET, the user and the machine say, in this order", arguments: rows)
  func places(_ row: Row) {
    let (places, listener) = optional(row.given) { given in
      optional(row.variable) { variable in
        optional(row.folder) { folder in
          optional(row.configured) { configured in
            var found = nsp_host_find(
              given,
              nsp_host_surroundings(
                variable: variable, runtime_directory: folder, user: row.user, is_secure: row.isSecure ? 1 : 0))
            var places: [String] = []
            while let place = nsp_host_place(&found, UInt32(places.count)) { places.append(String(cString: place)) }
            return (places, String(cString: nsp_host_listens_at(&found, configured)))
          }
        }
      }
    }
    #expect(places == row.places)
    #expect(listener == row.listener)
  }

  private func optional<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    text?.withCString { body($0) } ?? body(nil)
  }

  @Test("a connection is to the first place where somebody listens; a file that nobody listens to is passed over")
  func stale() throws {
    let folder = try Folder()
    let (dead, alive) = (folder.path + "/nsphost/socket", folder.path + "/machine")
    mkdir(folder.path + "/nsphost", 0o700)
    close(try listener(dead))
    let other = try listener(alive)
    defer { close(other) }
    #expect(access(dead, F_OK) == 0)
    alive.withCString { machine in
      folder.path.withCString { folder in
        var places = nsp_host_find(
          nil, nsp_host_surroundings(variable: nil, runtime_directory: folder, user: 1000, is_secure: 0))
        places.machine = machine
        var found: UnsafePointer<CChar>?
        let descriptor = nsp_host_connect_to(&places, nsp_host_clock() + 1_000_000_000, &found)
        #expect(descriptor >= 0 && found.map { String(cString: $0) } == alive)
        close(descriptor)
        // A name leaves no other place.
        dead.withCString { dead in
          var named = nsp_host_find(
            dead, nsp_host_surroundings(variable: machine, runtime_directory: folder, user: 1000, is_secure: 0))
          named.machine = machine
          #expect(nsp_host_connect_to(&named, nsp_host_clock() + 1_000_000_000, nil) == -1 && errno == ECONNREFUSED)
        }
      }
    }
  }

  @Test("a host that listens and takes nobody for now is not passed over")
  func full() throws {
    let folder = try Folder()
    let (own, machine) = (folder.path + "/nsphost/socket", folder.path + "/machine")
    mkdir(folder.path + "/nsphost", 0o700)
    let busy = try listener(own)
    let other = try listener(machine)
    defer { for one in [busy, other] { close(one) } }
    machine.withCString { machine in
      folder.path.withCString { folder in
        var places = nsp_host_find(
          nil, nsp_host_surroundings(variable: nil, runtime_directory: folder, user: 1000, is_secure: 0))
        places.machine = machine
        var waiting: [Int32] = []
        defer { for one in waiting { close(one) } }
        repeat {
          waiting.append(nsp_host_connect_to(&places, nsp_host_clock() + 20_000_000, nil))
        } while waiting.last! >= 0 && waiting.count < 64
        #expect(waiting.popLast() == -1 && errno == EAGAIN && !waiting.isEmpty)
      }
    }
  }

  @Test("NSPClient and the command see what the C function sees")
  func swift() {
    #expect(HostPlaces("/b").paths == ["/b"] && HostPlaces("/b", configured: "/c").listener == "/b")
    #expect(HostPlaces.unnamed.paths.last == Self.machine && !HostPlaces.unnamed.paths.contains("/b"))
    #expect(throws: HostSocket.Failure.gone) { try HostSocket("/nowhere/socket", silence: .seconds(1)) }
  }

  /// A socket that listens, with room for one that waits.
  private func listener(_ path: String) throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let isBound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
    try #require(isBound && listen(descriptor, 0) == 0, "\(path): \(String(cString: strerror(errno)))")
    return descriptor
  }

  /// A folder that goes with its last user.
  private final class Folder {
    let path: String

    init() throws {
      var template = Array("/tmp/nsp-socket-XXXXXX".utf8CString)
      try #require(mkdtemp(&template) != nil)
      path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit {
      for name in ["/nsphost/socket", "/machine"] { unlink(path + name) }
      rmdir(path + "/nsphost")
      rmdir(path)
    }
  }
}
