import Foundation
import Testing

/// A file's own code that does not return while it is loaded into the host holds up neither other files nor the host.
@Suite(.timeLimit(.minutes(5))) struct HangingLoadTests {
  /// Its providers, by name. Those that hang go on when the file `go` is there.
  private struct Files: Sendable {
    let made: LoadedFiles
    let early, hang, late, other, module: Plugin

    init() async throws {
      made = try LoadedFiles()
      let go = "\"" + made["go"] + "\""
      early = Plugin(file: try await made.provider("early.so", "early", 20))
      hang = Plugin(file: try await made.provider("hang.so", "hang", 21, "-DHANGS=" + go))
      late = Plugin(file: try await made.provider("late.so", "z-late", 22))
      other = Plugin(file: try await made.provider("other.so", "other", 23), manifest: "isolation = \"worker\"\n")
      module = Plugin(file: try await made.provider("module.so", "module", 24, "-DLOAD_HANGS=" + go))
    }
  }

  private static func serve(_ plugins: [Plugin], _ body: @Sendable (Host) async throws -> Void) async throws {
    try await Host.serve("isolation = \"in-process\"\n", plugins, body)
  }

  private static func answers(_ number: Int, _ host: Host, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await host.nsphost.expect(
      0, "that", of: "lookup", "that", "--provider", LoadedFiles.id(number), sourceLocation: sourceLocation)
  }

  private static func answersSoon(_ number: Int, _ host: Host, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await eventually("provider \(number) answers: \(host.log)", sourceLocation: sourceLocation) {
      try await host.nsphost.run("lookup", "that", "--provider", LoadedFiles.id(number)).status == 0
    }
  }

  private static func expect(
    _ state: String, of names: String..., in host: Host, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    for name in names {
      let shown = try await host.state(of: name)
      #expect(shown == state, "\(name)", sourceLocation: sourceLocation)
    }
  }

  /// A file with its manifest, by renaming, so that the host never sees half a file.
  private static func add(_ plugin: Plugin, to host: Host) throws {
    let name = URL(filePath: plugin.file).lastPathComponent
    if let manifest = plugin.manifest { try host.folder.write(manifest, to: "plugins/\(name.dropLast(3)).toml") }
    try host.folder.copy(plugin.file, to: "plugins/." + name)
    try FileManager.default.moveItem(atPath: host.folder["plugins/." + name], toPath: host.folder["plugins/" + name])
  }

  @Test("constructors that do not return: the host starts, others are served, and it serves when they do")
  func start() async throws {
    let files = try await Files()
    let added = Plugin(file: try await files.made.provider("new.so", "new", 25), manifest: "isolation = \"worker\"\n")
    try await Self.serve([files.early, files.hang, files.late, files.module, files.other]) { host in
      let nsphost = host.nsphost
      #expect(host.log.contains("hang.so does not serve yet: its constructors have not returned"), "\(host.log)")
      try await Self.answers(20, host)
      try await Self.answers(23, host)
      try await Self.expect("starting", of: "hang", "z-late", "module", in: host)
      let inspected = try await nsphost.run("inspect", "z-late").output
      #expect(
        inspected.firstMatch(of: /loading: it waits for .*\/hang.so: its constructors have not returned/) != nil, "\(inspected)")
      try await nsphost.expect(
        1, "WSATRY_AGAIN", after: 0...5000, of: ["lookup", "that", "--provider", LoadedFiles.id(21)])
      // Workers come and go, and so does what is loaded.
      try Self.add(added, to: host)
      try await Self.answersSoon(25, host)
      try FileManager.default.removeItem(atPath: host.folder["plugins/new.so"])
      try await eventually("it has gone") { try await host.state(of: "new") == nil }
      try Self.add(added, to: host)
      try await Self.answersSoon(25, host)
      for name in ["early", "z-late"] { try await nsphost.expect(0, "", after: 0...8000, of: ["disable", name]) }
      try await Self.expect("disabled", of: "z-late", in: host)

      try files.made.folder.write("", to: "go")
      try await Self.answersSoon(21, host)
      try await Self.answersSoon(24, host)
      try await Self.expect("ready", of: "hang", in: host)
      try await Self.expect("disabled", of: "z-late", in: host)
      for name in ["z-late", "early"] { try await nsphost.expect(0, of: "enable", name) }
      try await Self.answers(22, host)
      try await Self.answers(20, host)
      try await host.ends(within: .seconds(10))
    }
  }

  @Test("an NSPModuleLoad that does not return holds up no other file, nor the end of the host")
  func module() async throws {
    let files = try await Files()
    // Behind it.
    try files.made.folder.copy(files.late.file, to: "z-late.so")
    try await Self.serve([files.module, Plugin(file: files.made["z-late.so"])]) { host in
      #expect(host.log.contains("module.so does not serve yet: its NSPModuleLoad has not returned"), "\(host.log)")
      try await Self.expect("starting", of: "module", in: host)
      try await Self.answers(22, host)
      try await host.ends(within: .seconds(10))
    }
  }

  @Test("constructors of a file that comes later: others are served and reloaded, and the host ends")
  func later() async throws {
    let files = try await Files()
    try await Self.serve([files.early, files.other]) { host in
      try Self.add(files.hang, to: host)
      try await host.freshLog(from: 0).says("hang.so does not serve yet")
      try await Self.answers(20, host)
      try await Self.answers(23, host)
      try await Self.expect("starting", of: "hang", in: host)
      try await host.nsphost.expect(0, "", after: 0...8000, of: ["reload", "other"])
      try await Self.answers(23, host)
      try await host.ends(within: .seconds(10))
    }
  }
}
