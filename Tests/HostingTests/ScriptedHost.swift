import CLastWords
import CWinsock
import CallManagement
import Foundation
import Glibc
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Rundown
import Sessions
import Testing

/// A host with its own copies of fixture providers: a copy of a file has its own state, so tests don't disturb each other.
final class ScriptedHost: Sendable {
  let host: ProviderHost
  let directory: String
  private let clients = Locked<[ObjectIdentifier: LoopbackClient]>([:])

  /// - Parameters:
  ///   - registrar: One of its own, so that hosts of other tests have no part in it.
  ///   - calls: Likewise.
  convenience init(
    _ plugins: String..., sidecars: [String: String] = [:], registrar: ModuleRegistrar = ModuleRegistrar(),
    calls: CoNDIS = CoNDIS(), admits: @escaping @Sendable (ClientIdentity) -> Bool = { _ in true }
  ) throws { try self.init(plugins, sidecars: sidecars, registrar: registrar, calls: calls, admits: admits) }

  init(
    _ plugins: [String], sidecars: [String: String] = [:], registrar: ModuleRegistrar = ModuleRegistrar(),
    calls: CoNDIS = CoNDIS(), admits: @escaping @Sendable (ClientIdentity) -> Bool = { _ in true }
  ) throws {
    host = ProviderHost(registrar: registrar, calls: calls, admits: admits)
    let fixtures = fixturesDirectory
    directory = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    for plugin in plugins {
      try FileManager.default.copyItem(atPath: "\(fixtures)/\(plugin).so", toPath: "\(directory)/\(plugin).so")
    }
    for (plugin, text) in sidecars {
      try text.write(toFile: "\(directory)/\(plugin).toml", atomically: true, encoding: .utf8)
      chmod("\(directory)/\(plugin).toml", 0o644)
    }
    // The test's thread calls functions of files, as the host's threads do: what is left of that on its stack keeps no file mapped.
    nsp_thread_visit()
    host.load(from: [directory])
  }

  /// The session of a client that calls the host.
  func open(_ name: String = "client") throws -> ClientSession {
    let client = try host.open(ClientIdentity(processID: 1, userID: 0, groupID: 0, command: name))
    clients.withLock { $0[ObjectIdentifier(client.session)] = client }
    return client.session
  }

  /// The other end of a session's call.
  func client(_ session: ClientSession) throws -> LoopbackClient {
    try #require(clients.withLock { $0[ObjectIdentifier(session)] })
  }

  /// The client ends its call; answers whether every provider was told in time.
  @discardableResult
  func hangUp(_ session: ClientSession, _ reason: CloseReason, deadline: Duration = .seconds(5)) throws -> Bool {
    try client(session).hangUpAndWait(reason, deadline: deadline)
  }

  func provider(_ name: String) throws -> Provider {
    try #require(host.catalog.entries.first { $0.manifest.displayName == name }?.provider, "\(name) is not loaded")
  }

  func id(_ name: String) throws -> GUID { try provider(name).id }

  /// How often a routine of a fixture was called.
  func count(_ name: String, _ routine: ProviderRoutine) throws -> Int {
    typealias Count = @convention(c) (Int32) -> Int32
    return Int(try function(name, "scripted_count", as: Count.self)(Int32(routine.rawValue)))
  }

  func function<Function>(_ name: String, _ symbol: String, as type: Function.Type) throws -> Function {
    let handle = try #require(dlopen("\(directory)/\(name).so", RTLD_NOW | RTLD_NOLOAD))
    defer { dlclose(handle) }
    return unsafeBitCast(try #require(dlsym(handle, symbol)), to: type)
  }

  /// Every record of one query, and the code that ended it.
  func lookup(_ client: ClientSession, _ name: String, in nameSpace: NameSpace = .dns, at provider: String? = nil)
    throws -> (records: [QuerySet], end: WinsockError)
  {
    var records: [QuerySet] = []
    let query = QuerySet(
      serviceInstanceName: name, nameSpace: nameSpace, providerID: try provider.map { try id($0) })
    do {
      let lookup = try host.engine.begin(client, query, flags: .returnAll)
      defer { lookup.end() }
      do { while true { records.append(try lookup.next()) } } catch { return (records, error.winsockError) }
    } catch {
      return (records, error)
    }
  }

  /// Stops the host and checks that every startup was answered.
  func finish() {
    host.stop()
    for (provider, figures) in host.ledger {
      #expect(figures.isBalanced, "\(provider): \(figures)")
      #expect(figures.live == 0, "\(provider): \(figures)")
    }
    try? FileManager.default.removeItem(atPath: directory)
  }
}

/// Where `make fixtures` has put the providers of the tests.
let fixturesDirectory =
  ProcessInfo.processInfo.environment["NSPHOST_FIXTURES"]
  ?? URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  + "/build/fixtures"
