import Foundation
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// A real server of the Domain Name System, with zones of its own, at an address that nobody else has.
struct Knot: Sendable {
  struct Zone: Sendable {
    var domain: String
    /// Besides those of the zone itself; nil where there is no file, so that it answers SERVFAIL.
    var records: String?
    /// Who has the key may change it.
    var takesUpdates = false
  }

  static let keyName = "update.key"

  let folder: WorkFolder
  let address: String
  let port: Int
  /// The secret of the key for updates, in base 64.
  let secret: String
  private let ready: Zone?

  /// As settings name it.
  var server: String { "\(address):\(port)" }

  /// - Parameter port: Any, where nil. A file like resolv.conf names no ports: for that, it has to be 53.
  init(_ zones: [Zone], port: Int? = nil) throws {
    folder = try WorkFolder()
    address = "127.\(Int.random(in: 1...250)).\(Int.random(in: 1...250)).7"
    // Below those that the system gives to clients.
    self.port = port ?? Int.random(in: 10_000...30_000)
    secret = Self.noise()
    ready = zones.first { $0.records != nil }
    try folder.make("zones")
    for zone in zones {
      guard let records = zone.records else { continue }
      let text = "\(records)\n@ 60 SOA ns.example.test. hostmaster.example.test. 1 3600 600 86400 30\n@ 300 NS ns.example.test.\n"
      try folder.write(text, to: "zones/\(zone.domain).zone")
    }
    try folder.write(configuration(zones), to: "knot.conf")
  }

  /// A secret that is no server's.
  static func noise() -> String { Data((0..<32).map { _ in UInt8.random(in: 0...255) }).base64EncodedString() }

  private func configuration(_ zones: [Zone]) -> String {
    let listed = zones.map { "  - domain: \($0.domain)\n" + ($0.takesUpdates ? "    acl: updates\n" : "") }
    return """
      server:
          rundir: \(folder.path)
          listen: \(address)@\(port)
          udp-workers: 1
          tcp-workers: 1
          background-workers: 1
      database:
          storage: \(folder.path)
      log:
        - target: stderr
          any: warning
      key:
        - id: \(Self.keyName)
          algorithm: hmac-sha256
          secret: \(secret)
      acl:
        - id: updates
          key: \(Self.keyName)
          action: update
      template:
        - id: default
          storage: \(folder["zones"])
          file: "%s.zone"
          zonefile-sync: -1
      zone:
      \(listed.joined())
      """
  }

  /// Runs it until the body has ended, and then kills it. It may run again, with what it has been told.
  func serving<Value: Sendable>(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: @Sendable () async throws -> Value
  ) async throws -> Value {
    let log = try FileDescriptor.open(
      FilePath(folder["knot.log"]), .writeOnly, options: [.create, .append], permissions: .ownerReadWrite)
    let result = try await Subprocess.run(
      .path("/usr/sbin/knotd"), arguments: ["-c", folder["knot.conf"]], input: .none, output: .discarded,
      error: .fileDescriptor(log, closeAfterSpawningProcess: true)
    ) { execution -> Result<Value, any Error> in
      let outcome: Result<Value, any Error>
      do {
        try await eventually("knotd serves: \(folder.text(of: "knot.log"))", sourceLocation: sourceLocation) {
          guard let ready else { return true }
          return try await !answers(ready.domain, "SOA").isEmpty
        }
        outcome = .success(try await body())
      } catch { outcome = .failure(error) }
      try? execution.send(signal: .kill)
      return outcome
    }
    return try result.closureResult.get()
  }

  /// What it says itself of a name: data of one type, sorted.
  func answers(_ name: String, _ type: String) async throws -> [String] {
    let words = ["kdig", "+short", "+retry=0", "+timeout=5", "@" + address, "-p", "\(port)", name, type]
    let outcome = try await Program(path: "/usr/bin/env").run(words)
    return outcome.output.split(separator: "\n").map(String.init).filter { !$0.hasPrefix(";;") }.sorted()
  }
}
