import CLastWords
import CWinsock
import CallManagement
import Foundation
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Sessions
import Testing

/// What is changed for good: installed, ordered, switched; with real files, from one host to the next.
@Suite(.serialized) struct InstallationTests {
  private let id = GUID("a1b2c3d4-0000-0000-0000-000000000001")!
  private let other = GUID("a1b2c3d4-0000-0000-0000-000000000002")!

  /// A folder for plugins, one for state, and one for files that are installed.
  private final class Place {
    let root = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    var plugins: String { root + "/plugins" }
    var installed: String { root + "/installed" }
    var catalog: CatalogFile { CatalogFile(directory: root + "/state") }

    init(_ names: String...) throws {
      for folder in [plugins, installed] {
        try FileManager.default.createDirectory(
          atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
      }
      for name in names { try copy(name, to: plugins) }
      // The next host loads the same files.
      nsp_thread_visit()
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func copy(_ name: String, to folder: String) throws {
      try FileManager.default.copyItem(atPath: "\(fixturesDirectory)/\(name).so", toPath: "\(folder)/\(name).so")
    }

    func host(_ settings: SettingsByProvider = SettingsByProvider()) -> ProviderHost {
      let host = ProviderHost(registrar: ModuleRegistrar(), calls: CoNDIS())
      host.keepChanges(in: catalog, environment: ["WHERE": installed])
      host.configure(settings)
      host.load(from: [plugins])
      return host
    }
  }

  private func installation(_ id: GUID, _ path: String, _ nameSpace: NameSpace = .dns) throws -> Installation {
    try Installation(id: id, identifier: "installed", path: path, nameSpace: nameSpace, version: 7, blob: [1, 2, 3])
  }

  private func names(_ host: ProviderHost) -> [String] { host.catalog.entries.map(\.manifest.displayName) }

  private func count(_ host: ProviderHost, _ name: String, user: UInt32 = 0) throws -> Int {
    let client = try host.open(ClientIdentity(processID: 1, userID: user, groupID: user, command: "client"))
    defer { client.hangUpAndWait() }
    var count = 0
    do throws(WinsockError) {
      let lookup = try host.engine.begin(
        client.session, QuerySet(serviceInstanceName: name, nameSpace: .dns), flags: .returnAll)
      defer { lookup.end() }
      while (try? lookup.next()) != nil { count += 1 }
    } catch {}
    return count
  }

  @Test("an installed file serves under the id, name and name space that it was installed with, and is there in the next host")
  func file() throws {
    let place = try Place("scripted-a")
    try place.copy("scripted-b", to: place.installed)
    var host = place.host()
    #expect(try count(host, "records-2") == 2)
    try host.install(installation(id, "%WHERE%/scripted-b.so"))
    let entry = try #require(host.catalog[id])
    #expect(entry.manifest.displayName == "installed" && entry.manifest.version == 7 && entry.blob == [1, 2, 3])
    #expect(try names(host) == ["scripted-a", "installed"] && count(host, "records-2") == 4)
    host.stop()
    host = place.host()
    #expect(try names(host) == ["scripted-a", "installed"] && count(host, "records-2") == 4)
    try host.uninstall(id)
    #expect(try host.catalog[id] == nil && count(host, "records-2") == 2)
    #expect(throws: ProviderHost.ChangeFailure.self) { try host.uninstall(id) }
    host.stop()
    #expect(try place.catalog.read().installed.isEmpty)
  }

  @Test("a file may come later, and go: the provider stays in the catalog, with what is missing")
  func missingFile() throws {
    let place = try Place()
    let host = place.host()
    try host.install(installation(id, place.installed + "/scripted-b.so"))
    #expect(host.catalog[id]?.failure != nil && host.catalog[id]?.isActive == true)
    try place.copy("scripted-b", to: place.installed)
    host.rescan()
    #expect(try host.catalog[id]?.failure == nil && count(host, "records-2") == 2)
    try FileManager.default.removeItem(atPath: place.installed + "/scripted-b.so")
    host.rescan()
    #expect(try host.catalog[id]?.provider == nil && host.catalog[id]?.failure != nil && count(host, "records-2") == 0)
    try host.install(installation(other, "%NOWHERE%/x.so"))
    #expect(host.catalog[other]?.failure?.detail == "NOWHERE is not set in the host's environment")
    host.stop()
  }

  @Test("one file is one provider; ids are not given twice; what can't be a path is refused")
  func conflicts() throws {
    let place = try Place("scripted-a")
    let host = place.host()
    #expect(throws: ProviderHost.ChangeFailure.self) { try host.install(installation(id, place.plugins + "/scripted-a.so")) }
    try host.install(installation(id, ""))
    #expect(throws: ProviderHost.ChangeFailure.self) { try host.install(installation(id, "")) }
    #expect(try names(host) == ["scripted-a", "installed"] && count(host, "records-2") == 2)
    for path in ["relative.so", "%ODD", "~/x.so"] {
      #expect(throws: WinsockError.invalidArgument) { try installation(other, path) }
    }
    #expect(throws: WinsockError.invalidArgument) { try installation(other, "", .all) }
    host.stop()
  }

  @Test("a switch outlives the host, counts more than manifest and configuration, and is followed from another process")
  func switches() throws {
    let place = try Place("scripted-a", "scripted-b")
    var settings = SettingsByProvider()
    settings.settings["scripted-b"] = ProviderSettings { $0.isEnabled = false }
    var host = place.host(settings)
    let (a, b) = (host.catalog.entries[0].id, host.catalog.entries[1].id)
    #expect(try count(host, "records-2") == 2)
    try host.disable(a)
    try host.enable(b)
    #expect(try count(host, "unless-scripted-b") == 1 && count(host, "records-1") == 1)
    host.stop()
    host = place.host(settings)
    #expect(host.catalog[a]?.isActive == false && host.catalog[b]?.isActive == true)
    // As another process would.
    try place.catalog.change { (record: inout CatalogRecord) throws(WinsockError) in record.enabled[a] = true }
    host.rescan()
    #expect(try count(host, "records-1") == 2)
    host.stop()
  }

  @Test("NSP-200 an order is that of enumeration and lookups, in the next host too; what is no permutation changes nothing")
  func order() throws {
    let place = try Place("scripted-a", "scripted-b")
    var host = place.host()
    let ids = host.catalog.entries.map(\.id)
    for wrong in [[ids[0]], [ids[0], ids[0]], ids + [id], [ids[0], id]] {
      #expect(throws: ProviderHost.ChangeFailure.self) { try host.order(wrong) }
    }
    #expect(names(host) == ["scripted-a", "scripted-b"])
    try host.order(ids.reversed())
    #expect(names(host) == ["scripted-b", "scripted-a"])
    host.stop()
    host = place.host()
    #expect(names(host) == ["scripted-b", "scripted-a"])
    try host.install(installation(id, ""))
    #expect(names(host).last == "installed")
    host.stop()

    let configured = try Place("scripted-a", "scripted-b")
    var settings = SettingsByProvider()
    settings.settings["scripted-b"] = ProviderSettings { $0.order = -1 }
    host = configured.host(settings)
    #expect(names(host) == ["scripted-b", "scripted-a"])
    host.stop()
  }

  @Test("a provider that is for some users is for nobody else, but for root")
  func access() throws {
    let place = try Place("scripted-a")
    var settings = SettingsByProvider()
    settings.settings["scripted-a"] = ProviderSettings { $0.access = AccessList(users: [7], groups: [9]) }
    let host = place.host(settings)
    #expect(try count(host, "records-2", user: 7) == 2 && count(host, "records-2", user: 9) == 2)
    #expect(try count(host, "records-2", user: 0) == 2 && count(host, "records-2", user: 8) == 0)
    host.stop()
  }

  @Test("NSP-199 an order has each provider once, or as often as it is enumerated")
  func orders() throws {
    let place = try Place("scripted-a", "scripted-b")
    try "namespace = [\"dns\", \"ntds\", \"nds\"]\n".write(
      toFile: "\(place.plugins)/scripted-a.toml", atomically: true, encoding: .utf8)
    chmod("\(place.plugins)/scripted-a.toml", 0o644)
    let host = place.host()
    let (a, b) = (host.catalog.entries[0].id, host.catalog.entries[1].id)
    func order(_ ids: GUID...) -> Bool { (try? host.order(ids)) != nil }
    #expect(order(b, a) && host.catalog.entries.map(\.id) == [b, a])
    #expect(order(a, b, a, a) && host.catalog.entries.map(\.id) == [a, b])
    #expect(order(b, a, a, a) && host.catalog.entries.map(\.id) == [b, a])
    for bad in [[a], [a, a], [a, a, b], [a, a, a, a, b], [a, b, b], [a, a, a, b, b], [a, b, GUID()]] {
      #expect(throws: ProviderHost.ChangeFailure.self) { try host.order(bad) }
    }
    #expect(try count(host, "records-2", user: 0) == 2 + 2, "one question for each, whatever the number of its name spaces")
    host.stop()
  }

  @Test("so many routines at a time, and no more")
  func concurrency() throws {
    let place = try Place("scripted-a")
    var settings = SettingsByProvider()
    settings.settings["scripted-a"] = ProviderSettings { $0.concurrency = 2 }
    let host = place.host(settings)
    let start = ContinuousClock.now
    DispatchQueue.concurrentPerform(iterations: 6) { _ in
      #expect(throws: Never.self) { try #require(count(host, "sleep-100") == 1) }
    }
    #expect(ContinuousClock.now - start >= .milliseconds(300), "six of them, two at a time")
    host.stop()
  }

  @Test("a file that can't be read is left alone: the host goes by what it knew, and makes no change")
  func damaged() throws {
    let place = try Place("scripted-a")
    let host = place.host()
    let a = host.catalog.entries[0].id
    try host.disable(a)
    for text in ["garbage = [", "order = [1]", "[enabled]\nx = true", "[[installed]]\nid = \"7\"", "\u{1}\u{2}"] {
      try text.write(toFile: place.catalog.path, atomically: true, encoding: .utf8)
      chmod(place.catalog.path, 0o644)
      host.rescan()
      #expect(host.catalogDefect != nil && host.catalog[a]?.isActive == false, "\(text)")
      #expect(throws: ProviderHost.ChangeFailure.self) { try host.enable(a) }
      #expect(try String(contentsOfFile: place.catalog.path, encoding: .utf8) == text)
    }
    host.stop()
  }

  @Test("what is written is read again, whatever it is")
  func roundTrip() throws {
    let place = try Place()
    var record = CatalogRecord()
    record.order = [id, other]
    record.enabled = [id: true, other: false]
    record.installed = [
      try installation(id, "/a \"b\"\n\u{1F600}/c.so"),
      try Installation(id: other, identifier: "ünï\tcode = []", path: "", nameSpace: .email, version: .max, blob: nil),
    ]
    let wanted = record
    try place.catalog.change { (kept: inout CatalogRecord) throws(WinsockError) in kept = wanted }
    #expect(try place.catalog.read() == wanted)
  }

  @Test("changes of several threads are all kept")
  func together() throws {
    let place = try Place()
    let catalog = place.catalog
    DispatchQueue.concurrentPerform(iterations: 20) { number in
      let id = GUID("a1b2c3d4-0000-0000-0001-0000000000\(10 + number)")!
      try? catalog.change { (record: inout CatalogRecord) throws(WinsockError) in record.enabled[id] = true }
    }
    #expect(try catalog.read().enabled.count == 20)
  }
}
