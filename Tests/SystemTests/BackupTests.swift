import Foundation
import GRDB
import Testing

/// A state folder is saved while a host runs, and put back as it was, all of it or nothing.
@Suite(.timeLimit(.minutes(10)), .enabled(if: geteuid() == 0, "files of other users take root")) struct BackupTests {
  /// How many registrations have been acknowledged.
  private actor Count {
    private(set) var value = 0

    func set(_ value: Int) { self.value = value }
  }

  @Test(
    "an orderly stop leaves everything in the databases; a host that runs is saved; restore puts back what was saved",
    arguments: Isolation.allCases)
  func roundTrip(_ isolation: Isolation) async throws {
    let state = try StateFolder()
    let (folder, command) = (state.folder, state.nsphost)
    try await state.serve(isolation, ["directory", "hosts"]) { host in try await state.fill(host) }
    let (names, classes) = (
      try state.texts("state/directory.db", "SELECT name FROM instance ORDER BY name"),
      try state.texts("state/schema.db", "SELECT name FROM class")
    )
    #expect(names == ["also", "kept"] && classes == ["Kept"])

    try await state.serve(isolation, ["directory", "hosts"]) { host in
      try await Self.saveBusily(state, host)
      try await command.expect(1, "a host uses \(folder["state"])", of: "restore", state.saved)
      try await command.expect(0, of: "register", "later", "--address", "10.0.0.7:7")
      try await command.expect(0, of: "unregister", "kept")
      try await command.expect(0, of: "enable", "hosts")
    }

    let restored = try await command.run("restore", state.saved)
    #expect(
      restored.status == 0 && restored.output.hasPrefix("restored 3 files from \(state.saved)")
        && restored.output.contains("what was there before is in \(folder["state.before-"])"), "\(restored)")
    try await state.serve(isolation, ["directory"]) { host in
      try await command.expect(2, of: "lookup", "later")
      try await command.expect(lines: ["10.0.0.5:5  kept"], of: "lookup", "kept")
      try await command.expect(0, "Kept", of: "classes")
      #expect(folder.text(of: "state/catalog.toml").contains("= false"))
    }
    let before = try #require(try state.siblings.first)
    #expect(before.hasPrefix("state.before-"))
    let later = try state.texts(before + "/directory.db", "SELECT name FROM instance WHERE name = 'later'")
    #expect(later == ["later"])
    let (mine, former) = (try Self.access(folder["state"]), try Self.access(folder[before]))
    #expect(mine == former)
  }

  /// The mode and the owner.
  private static func access(_ path: String) throws -> [Int?] {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return [attributes[.posixPermissions] as? Int, attributes[.ownerAccountID] as? Int]
  }

  /// Registrations go on meanwhile: the copy is sound, and has what was acknowledged before it was begun.
  private static func saveBusily(_ state: StateFolder, _ host: Host) async throws {
    let (folder, count) = (state.folder, Count())
    let acknowledged = try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for number in 1...1000 where !Task.isCancelled {
          let outcome = try await host.nsphost.run("register", "busy\(number)", "--address", "10.0.1.1:1")
          guard outcome.status == 0 else { break }
          await count.set(number)
        }
      }
      try await eventually("one is acknowledged") { await count.value > 0 }
      try await host.nsphost.expect(0, of: "disable", "hosts")
      let before = await count.value
      let outcome = try await host.nsphost.run("backup", state.saved)
      let pattern = /state\/catalog\.toml(.|\n)*state\/directory\.db(.|\n)*state\/schema\.db/
      #expect(
        outcome.status == 0 && outcome.output.hasPrefix("saved 3 files in \(state.saved)")
          && outcome.output.firstMatch(of: pattern) != nil, "\(outcome)")
      group.cancelAll()
      // One that was ended on the way has not succeeded.
      _ = try? await group.waitForAll()
      return before
    }
    #expect(try access(state.saved)[0] == 0o600)
    let beside = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix("saved.tar.") }
    #expect(beside.isEmpty)

    try folder.make("copy")
    try await Program(path: "/usr/bin/env").expect(0, of: "tar", "-xf", state.saved, "-C", folder["copy"])
    let copy = "copy/state/directory.db"
    let sound = try state.texts(copy, "PRAGMA integrity_check")
    #expect(sound == ["ok"])
    let names = Set(try state.texts(copy, "SELECT name FROM instance"))
    let missing = Set(["kept", "also"] + (1...acknowledged).map { "busy\($0)" }).subtracting(names)
    #expect(missing.isEmpty)
  }

  @Test("while a restore is going on, no host starts and nothing is changed")
  func goingOn() async throws {
    let state = try await StateFolder.saved()
    let lock = open(state.folder["state/nsphost.lock"], O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(lock) }
    #expect(lock >= 0 && flock(lock, LOCK_EX) == 0)
    try await state.refuses(
      "a restore of \(state.folder["state"]) is going on", of: "serve", "--plugins", state.folder["plugins"])
    try await state.refuses("is going on", of: "disable", "hosts", "--local")
  }

  @Test("a restore that is killed has done all or nothing")
  func killed() async throws {
    let state = try await StateFolder.saved()
    let whole = try await ContinuousClock().measure { try await state.nsphost.expect(0, of: "restore", state.saved) }
    for step in 1...14 {
      // From its first moments until after its end.
      let delay = whole / .seconds(1) * Double(step) / 10
      let limited = Program(
        path: "/usr/bin/env", environment: state.nsphost.environment, words: ["timeout", "-s", "KILL", "\(delay)", Built.nsphost])
      try await limited.run("restore", state.saved)
      let files = try FileManager.default.contentsOfDirectory(atPath: state.folder["state"])
      let missing = Set(["catalog.toml", "directory.db", "schema.db"]).subtracting(files)
      try #require(missing.isEmpty, "killed after \(delay) s")
      let sound = try state.texts("state/directory.db", "PRAGMA integrity_check")
      let classes = try state.texts("state/schema.db", "SELECT name FROM class")
      #expect(sound == ["ok"] && classes == ["Kept"], "killed after \(delay) s")
    }
  }

  @Test("a damaged database is not saved over a good one, and a restore takes its place")
  func brokenDatabase() async throws {
    let state = try await StateFolder.saved()
    let folder = state.folder
    let database = try FileHandle(forUpdating: URL(filePath: folder["state/directory.db"]))
    try database.write(contentsOf: Data("not a database".utf8))
    try database.close()
    try await state.nsphost.expect(1, "directory.db is damaged", of: "backup", folder["new.tar"])
    #expect(!folder.has("new.tar"))
    try await state.nsphost.expect(0, of: "restore", state.saved)
    let saved = try #require(Tar(try Data(contentsOf: URL(filePath: state.saved)))["directory.db"])
    try saved.write(to: URL(filePath: folder["count.db"]))
    let names = "SELECT name FROM instance ORDER BY name"
    let (restored, expected) = (try state.texts("state/directory.db", names), try state.texts("count.db", names))
    #expect(restored == expected && expected == ["also", "kept"])
  }

  @Test("folders that are not there, a folder that the configuration gives to a provider, and a mount point")
  func folders() async throws {
    let state = try await StateFolder.saved()
    let folder = state.folder
    var absent = state.nsphost
    absent.environment["STATE_DIRECTORY"] = folder["nosuch"]
    try await absent.expect(1, "can't be resolved", of: "backup", folder["new.tar"])
    #expect(!folder.has("new.tar"))
    var fresh = state.nsphost
    fresh.environment["STATE_DIRECTORY"] = folder["fresh/state"]
    try await fresh.expect(0, of: "restore", state.saved)
    #expect(folder.text(of: "fresh/state/catalog.toml") == folder.text(of: "state/catalog.toml"))
    #expect(folder.text(of: "state/catalog.toml").contains("= false"))

    try folder.make("own")
    try folder.write("[providers.directory.settings]\nstate = \"\(folder["own"])\"\n", to: "own.toml")
    try folder.copy(folder["state/directory.db"], to: "own/directory.db")
    try await state.nsphost.expect(
      0, "directory/directory.db", of: "backup", "--config", folder["own.toml"], folder["new.tar"])
    try FileManager.default.removeItem(atPath: folder["own/directory.db"])
    try await state.nsphost.expect(0, of: "restore", "--config", folder["own.toml"], folder["new.tar"])
    let attributes = try FileManager.default.attributesOfItem(atPath: folder["own/directory.db"])
    #expect(try #require(attributes[.size] as? Int) > 0)
    try await state.nsphost.expect(1, "the configuration names none", of: "restore", folder["new.tar"])

    try folder.make("mounted")
    let mount = "mount -t tmpfs -o mode=755 none \"$0\" && STATE_DIRECTORY=$0 exec \"$@\""
    let mounted = Program(
      path: "/usr/bin/env", environment: state.nsphost.environment,
      words: ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, folder["mounted"], Built.nsphost])
    try await mounted.expect(1, "is a mount point", of: "restore", state.saved)
  }

  @Test("a link in the place of the backup is replaced, not followed")
  func link() async throws {
    let (state, ground) = (try await StateFolder.saved(), try Ground())
    try ground.link("shared/backup.tar", to: "precious")
    try await state.nsphost.expect(0, of: "backup", ground.folder["shared/backup.tar"])
    let type = try FileManager.default.attributesOfItem(atPath: ground.folder["shared/backup.tar"])[.type]
    #expect(type as? FileAttributeType == .typeRegular)
    ground.isUntouched()
  }
}
