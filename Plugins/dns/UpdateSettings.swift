import CWinsock
import Glibc
import NSPProvider
import QuerySets

/// Where registrations go, and who may make them.
struct UpdateSettings: Sendable {
  let server: SocketAddress
  /// Without the root's dot.
  let zone: String
  /// The file of the key, read for each update: what is wrong with it stops registrations alone, and until it is mended.
  let keyPath: String?
  let timeToLive: UInt32
  let takesWildcards: Bool
  /// Besides operators.
  let users: Set<UInt32>

  /// Nil where no updates are configured.
  init?(_ settings: Settings) throws(WinsockError) {
    let (server, zone) = (try settings.text("update-server"), try settings.text("update-zone"))
    guard let server, let zone else {
      if server != nil || zone != nil { throw Settings.refuse("update-server and update-zone need each other: set both or none") }
      return nil
    }
    guard let address = SocketAddress(server), let host = address.host else {
      throw Settings.refuse("update-server is \(server): write an address like 192.0.2.1 or 192.0.2.1:5353")
    }
    self.server = address.port != 0 ? address : SocketAddress(host: host, port: 53, scope: address.scope) ?? address
    guard !zone.isEmpty, zone.utf8.count <= 255, zone.utf8.allSatisfy({ 0x20 < $0 && $0 < 0x7F }) else {
      throw Settings.refuse("update-zone is \(zone): write the name of a zone in ASCII")
    }
    self.zone = zone.hasSuffix(".") ? String(zone.dropLast()) : zone
    keyPath = try settings.text("update-key")
    takesWildcards = try settings.truth("update-wildcards", default: false)
    timeToLive = UInt32(try settings.number("update-ttl", 0...604_800, default: 300))
    users = Set(try (settings.texts("update-users") ?? []).map { name throws(WinsockError) in try Self.user(name) })
  }

  /// Nil where updates are not signed.
  func key() throws(UpdateKey.Failure) -> UpdateKey? {
    guard let keyPath else { return nil }
    return try UpdateKey(keyPath)
  }

  private static func user(_ name: String) throws(WinsockError) -> UInt32 {
    if let number = UInt32(name) { return number }
    // Called while the provider is made, which happens once.
    guard let found = getpwnam(name) else { throw Settings.refuse("\(name), of update-users, is no user here") }
    return found.pointee.pw_uid
  }

  func allows(_ client: Client) -> Bool { client.isOperator || users.contains(client.userID) }
}

extension SocketAddress {
  fileprivate var port: UInt16 { bytes.count < 4 ? 0 : UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }
}
