import Foundation
import GRDB
import Testing

/// The state folder of a host with the default store and a class that is installed, and what of it can be saved and put back.
struct StateFolder: Sendable {
  let folder: WorkFolder

  var saved: String { folder["saved.tar"] }

  /// The command as an operator runs it while there is no host.
  var nsphost: Program {
    Program(path: Built.nsphost, environment: ["NSP_SOCKET": folder["socket"], "STATE_DIRECTORY": folder["state"]])
  }

  init() throws {
    folder = try WorkFolder()
    try folder.write("[[class]]\nid = \"5e0f4d0a-3a53-4c3c-8f3b-0a4b8c1d2e3f\"\nname = \"Kept\"\n", to: "class.toml")
  }

  /// Two registrations, a class, and a provider that is disabled; all of it saved, and no host.
  static func saved() async throws -> StateFolder {
    let state = try StateFolder()
    try await state.serve(.inProcess, ["directory", "hosts"]) { host in
      try await state.fill(host)
      try await host.nsphost.expect(0, of: "disable", "hosts")
      try await host.nsphost.expect(0, "saved 3 files", of: "backup", state.saved)
    }
    return state
  }

  func fill(_ host: Host) async throws {
    try await host.nsphost.expect(0, of: "register", "kept", "--address", "10.0.0.5:5")
    try await host.nsphost.expect(0, of: "register", "also", "--address", "10.0.0.6:6")
    try await host.nsphost.expect(0, of: "classes", "install", folder["class.toml"])
  }

  /// A host with these providers and no others.
  func serve(_ isolation: Isolation, _ plugins: [String], _ body: @Sendable (Host) async throws -> Void) async throws {
    if folder.has("plugins") { try FileManager.default.removeItem(atPath: folder["plugins"]) }
    try await Host.serve("", plugins.map { try Plugin.shipped($0, isolation) }, in: folder) { host in
      try await host.loads("directory")
      try await body(host)
    }
  }

  /// Texts of a database alone, without what lies beside it.
  func texts(_ database: String, _ query: String) throws -> [String] {
    let copy = try WorkFolder()
    try copy.copy(database.hasPrefix("/") ? database : folder[database], to: "copy.db")
    return try DatabaseQueue(path: copy["copy.db"]).read { try String.fetchAll($0, sql: query) }
  }

  /// Folders that stand beside it: those that were there before, and those that a restore has not removed.
  var siblings: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix("state.") }.sorted() }
  }

  /// Every regular file but what belongs to those that have a database open.
  var files: [String: Data] {
    get throws {
      var files: [String: Data] = [:]
      for name in try FileManager.default.subpathsOfDirectory(atPath: folder["state"])
      where !name.hasSuffix("-shm") && !name.hasSuffix("-wal") {
        files[name] = FileManager.default.contents(atPath: folder["state/" + name])
      }
      return files
    }
  }

  /// Expects that a command fails, and that neither the files nor what stands beside the folder is another than before.
  func refuses(
    _ text: String, of words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let before = (try files, try siblings)
    let outcome = try await nsphost.run(words)
    #expect(
      outcome.status == 1 && (outcome.output + outcome.errors).contains(text), "\(words), not \(text): \(outcome)",
      sourceLocation: sourceLocation)
    let after = (try files, try siblings)
    let changed = Set(before.0.keys).union(after.0.keys).filter { before.0[$0] != after.0[$0] }
    #expect(changed.isEmpty && before.1 == after.1, "\(words) has changed \(changed), \(after.1)", sourceLocation: sourceLocation)
  }
}
