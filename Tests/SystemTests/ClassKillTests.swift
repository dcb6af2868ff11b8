import Foundation
import Testing

/// A command that is killed in the middle of an installation or a removal of a class, at every write to the database: the next one finds the
/// class as a whole or not at all, and can have it either way.
@Suite(.timeLimit(.minutes(15))) struct ClassKillTests {
  private let folder: WorkFolder
  private let nsphost: Program

  init() async throws {
    folder = try WorkFolder()
    // Without files that live in their host: for those it would be another process that writes.
    try folder.make("none")
    nsphost = Program(
      path: Built.nsphost, environment: ["STATE_DIRECTORY": folder["state"], "NSP_SOCKET": folder["nobody"]])
    let values = (1...40).map { number in
      """
      [[class.values]]
      name = "Value\(number)"
      namespace = "nds"
      type = "string"
      value = "\(String(repeating: "0", count: number < 10 ? 199 : 198))\(number)"

      """
    }
    try folder.write(
      "[[class]]\nname = \"torn\"\nid = \"77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7ff\"\n" + values.joined(), to: "torn.toml")
    try await compile(
      [Built.package + "/Tests/Clients/kill-at-write.c"], ["-shared", "-fPIC", "-ldl"], to: folder["kill-at-write.so"])
  }

  private func classes(_ words: [String], killedAt write: Int? = nil, isTorn: Bool = false) async throws -> Program.Outcome {
    var command = nsphost
    if let write {
      command.environment.merge([
        "LD_PRELOAD": folder["kill-at-write.so"], "NSP_KILL_AT": "\(write)", "NSP_KILL_TORN": isTorn ? "half" : "",
      ]) { $1 }
    }
    return try await command.run(["classes"] + words + ["--local", "--plugins", folder["none"]])
  }

  /// Whether the class is there, with all that belongs to it.
  private func isThere(_ when: String) async throws -> Bool {
    struct Document: Decodable {
      struct Class: Decodable {
        struct Value: Decodable { var name: String }
        var values: [Value]
      }
      var classes: [Class]
    }
    let shown = try await classes(["show", "torn", "--json"])
    if shown.status == 2 { return false }
    try #require(shown.status == 0, "\(when): \(shown)")
    let found = try JSONDecoder().decode(Document.self, from: Data(shown.output.utf8)).classes
    try #require(
      found.flatMap(\.values).map(\.name) == (1...40).map { "Value\($0)" }, "\(when): it is there in part: \(shown)")
    return true
  }

  enum Change: CaseIterable {
    case installed, installedInHalf, removed
  }

  @Test(
    "kill -9 at each write of an installation, in the middle of each, and at each write of a removal", arguments: Change.allCases)
  func killed(_ change: Change) async throws {
    let (install, remove) = (["install", folder["torn.toml"]], ["remove", "torn"])
    if change == .removed {
      #expect(try await classes(install).status == 0)
    } else {
      try folder.make("state")
    }
    try FileManager.default.moveItem(atPath: folder["state"], toPath: folder["before"])
    var writes = 0
    for write in 1..<1000 {
      if folder.has("state") { try FileManager.default.removeItem(atPath: folder["state"]) }
      try FileManager.default.copyItem(atPath: folder["before"], toPath: folder["state"])
      let words = change == .removed ? remove : install
      let killed = try await classes(words, killedAt: write, isTorn: change == .installedInHalf)
      if killed.status == 0 { break }
      writes = write
      try #require(killed.status == 128 + SIGKILL, "write \(write): \(killed)")
      let wasThere = try await isThere("write \(write)")
      let changed = try await classes(wasThere ? remove : install)
      try #require(changed.status == 0, "write \(write): it can't be changed: \(changed)")
      try #require(try await isThere("write \(write)") == !wasThere, "write \(write): it was not changed")
    }
    #expect(writes > 5 && writes < 999)
  }
}
