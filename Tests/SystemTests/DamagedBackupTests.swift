import Foundation
import Testing

/// Backups that are damaged, made up or somebody else's are refused, and nothing is changed.
@Suite(.timeLimit(.minutes(10)), .enabled(if: geteuid() == 0, "files of other users take root")) struct DamagedBackupTests {
  private static func bad(_ state: StateFolder, _ bytes: Data) throws {
    try bytes.write(to: URL(filePath: state.folder["bad.tar"]))
  }

  private static func refuses(
    _ bytes: Data, _ text: String, _ state: StateFolder, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try bad(state, bytes)
    try await state.refuses(text, of: "restore", state.folder["bad.tar"], sourceLocation: sourceLocation)
  }

  @Test("one that is cut off, empty, noise, or another by a single bit")
  func damaged() async throws {
    let state = try await StateFolder.saved()
    let good = try Data(contentsOf: URL(filePath: state.saved))
    func changed(_ place: Int) -> Data {
      var bytes = good
      bytes[place] ^= 1
      return bytes
    }
    try await Self.refuses(good.prefix(good.count / 2), "ends before", state)
    try await Self.refuses(Data(), "not a backup", state)
    try await Self.refuses(Data((0..<10_240).map { UInt8($0 & 255) }), "not a backup", state)
    // In the content of the first file, and in its header.
    try await Self.refuses(changed(512 + 20), "is not what was saved", state)
    try await Self.refuses(changed(0), "not a backup", state)
    // A file that is said to be longer than the whole.
    var long = good
    long.replaceSubrange(124..<136, with: Data("77777777777\0".utf8))
    long.replaceSubrange(0..<512, with: Tar.sealed(long.prefix(512)))
    try await Self.refuses(long, "ends before", state)
  }

  @Test("one whose list and checksums are right, and whose files are not what a state folder has")
  func madeUp() async throws {
    let state = try await StateFolder.saved()
    let good = Tar(try Data(contentsOf: URL(filePath: state.saved)))
    func refuses(_ text: String, _ line: Int = #line, _ change: (inout Tar) throws -> Void) async throws {
      var tar = good
      try change(&tar)
      let here = SourceLocation(fileID: #fileID, filePath: #filePath, line: line, column: 1)
      try await Self.refuses(tar.bytes, text, state, sourceLocation: here)
    }
    let database = try #require(good["directory.db"])
    try await refuses("not complete") { $0.hasList = false }
    try await refuses("is no database") { $0["directory.db"] = Data("no database".utf8) + database.dropFirst(11) }
    try await refuses("is damaged") { $0["directory.db"] = database.prefix(8192) + Data(count: database.count - 8192) }
    for name in ["state/../../escaped", "/etc/escaped", "state/a/b", "state/.."] {
      try await refuses("not that of a file in a state folder") {
        $0.entries.append(Tar.Entry(name: name, content: Data("evil".utf8)))
      }
    }
    try await refuses("the configuration names none") {
      $0.entries.append(Tar.Entry(name: "mine/file", content: Data("evil".utf8)))
    }
    try await refuses("twice") { $0.entries.append(Tar.Entry(name: "state/catalog.toml", content: Data("evil".utf8))) }
    // A hard link, a link, a device and a folder.
    for kind in ["1", "2", "3", "5"] {
      try await refuses("regular files alone") { $0.entries.append(Tar.Entry(name: "state/extra", kind: kind)) }
    }

    // The same without any damage is taken: what was refused was the damage.
    try Self.bad(state, good.bytes)
    try await state.nsphost.expect(0, "restored 3 files", of: "restore", state.folder["bad.tar"])
  }

  @Test("one of another user, and none at all")
  func others() async throws {
    let state = try await StateFolder.saved()
    try state.folder.copy(state.saved, to: "bad.tar")
    try #require(lchown(state.folder["bad.tar"], 65534, UInt32.max) == 0)
    try await state.refuses("belongs to user 65534", of: "restore", state.folder["bad.tar"])
    try await state.refuses("No such file", of: "restore", state.folder["nosuch.tar"])
  }
}
