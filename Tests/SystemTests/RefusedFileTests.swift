import Foundation
import Testing

/// What a host says of files that can't be loaded, and of names that no terminal should see.
@Suite(.timeLimit(.minutes(5))) struct RefusedFileTests {
  private static let odd = "esc\u{1b}[31mape\nnew.so"
  private static let shown = "esc\\u{1b}[31mape\\u{a}new.so"
  private static let noText = "no-\\xff-text.so"
  private static let storage = "cannot allocate memory in static TLS block"

  private struct Refused: Decodable { var file: String, reason: String, detail: String?, remedy: String? }

  private struct Inspected: Decodable {
    struct Provider: Decodable {
      struct Why: Decodable { var reason: String, detail: String? }
      struct Process: Decodable { var pid: Int32 }
      var state: String, refused: Why?, process: Process?
    }
    var provider: Provider
  }

  /// A folder with files of every kind that is refused, a library that one of them needs, and one that serves under a name that moves a cursor
  /// and ends a line.
  private static func folder() throws -> WorkFolder {
    let folder = try WorkFolder()
    try folder.make("plugins")
    for name in [
      "fails-to-load.so", "huge-static-tls.so", "missing-library.so", "undefined-symbol.so", "undefined-in-library.so",
      "libbroken.so.1",
    ] { try folder.copy(Built.fixtures + "/bad/" + name, to: "plugins/" + name) }
    try folder.copy(Built.fixtures + "/no-rundown.so", to: "plugins/" + odd)
    try folder.copy(Built.fixtures + "/bad/huge-static-tls.so", to: "plugins/un" + odd)
    try folder.copy(Built.fixtures + "/scripted-a.so", to: "plugins/text.so")
    let bytes = Array(folder["plugins/no-"].utf8) + [0xff] + Array("-text.so".utf8) + [0]
    let renamed = bytes.withUnsafeBytes { rename(folder["plugins/text.so"], $0.bindMemory(to: CChar.self).baseAddress!) }
    try #require(renamed == 0)
    return folder
  }

  /// The linker's words of a library that lacks a symbol.
  private static func loader(_ folder: WorkFolder) -> String {
    folder["plugins/libbroken.so.1"] + ": undefined symbol: nobody_defines_this_either"
  }

  private static func serve(
    _ isolation: Isolation, variables: [String: String] = [:], _ body: @Sendable (Host) async throws -> Void
  ) async throws {
    try await Host.serve(
      "isolation = \"\(isolation.rawValue)\"\n", variables: variables, options: ["--log", "debug"], in: try folder()
    ) { host in
      try await eventually("every file was looked at: \(host.log)") {
        let refused = try await refused(of: host).count
        let serves = try await host.nsphost.run("providers", "--exists", "no-rundown").status == 0
        return serves && refused == (isolation == .worker ? 6 : 7)
      }
      try await body(host)
    }
  }

  private static func refused(of host: Host) async throws -> [Refused] {
    struct Document: Decodable { var refused: [Refused] }
    return try await host.nsphost.document(Document.self, "providers", "--refused").refused
  }

  private static func refused(_ file: String, of host: Host) async throws -> Refused? {
    try await refused(of: host).first { $0.file.split(separator: "/").last == file[...] }
  }

  private static func isRefused(
    _ file: String, _ reason: String, _ detail: String, _ remedy: String, by host: Host,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let found = try #require(try await refused(file, of: host), sourceLocation: sourceLocation)
    #expect(
      found.reason == reason && found.detail == detail && found.remedy?.hasPrefix(remedy) == true, "\(found)",
      sourceLocation: sourceLocation)
  }

  private static func says(
    _ texts: String..., of words: [String], by program: Program, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let outcome = try await program.run(words)
    for text in texts {
      #expect(
        outcome.status == 0 && (outcome.output + outcome.errors).contains(text), "\(words): not \(text), but \(outcome)",
        sourceLocation: sourceLocation)
    }
  }

  @Test(
    "the reason is told in text, JSON and the log, by the provider's name, the file's name and its path",
    arguments: Isolation.allCases)
  func reasons(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let (nsphost, plugins, loader) = (host.nsphost, host.folder["plugins"], Self.loader(host.folder))
      try await Self.says(
        "unresolved symbol: nobody supplies nobody_defines_this",
        "do: link the library that defines nobody_defines_this, or remove the reference", "unresolved symbol: \(loader)",
        "do: link the library that defines nobody_defines_this_either, or remove the reference",
        of: ["providers", "--refused"], by: nsphost)
      try await Self.isRefused(
        "undefined-in-library.so", "unresolved-symbol", loader, "link the library that defines nobody_defines_this_either",
        by: host)
      try await Self.isRefused(
        "missing-library.so", "missing-library", "needs libnowhere.so.1, which no directory has",
        "install the package that contains libnowhere.so.1", by: host)
      if isolation == .worker {
        // Its process keeps room for much static storage, and not for as much as it likes.
        try await nsphost.expect(0, of: "providers", "--exists", "fails-to-load")
        try await Self.isRefused(
          "huge-static-tls.so", "failed-to-load", "\(plugins)/huge-static-tls.so: \(Self.storage)",
          "build it, and the libraries that it needs, with -ftls-model=global-dynamic", by: host)
      } else {
        for name in ["fails-to-load", "huge-static-tls"] {
          try await Self.isRefused(
            "\(name).so", "failed-to-load", "\(plugins)/\(name).so: \(Self.storage)",
            "run it in a worker, whose process keeps room for it: isolation = \"worker\" in its manifest", by: host)
        }
      }

      let state = "state: refused: unresolved symbol: \(loader)"
      try await Self.says(state, "do: link the library", of: ["inspect", "undefined-in-library"], by: nsphost)
      try await Self.says(state, of: ["inspect", plugins + "/undefined-in-library.so"], by: nsphost)
      try await Self.says(state, of: ["inspect", "undefined-in-library.so"], by: nsphost)
      let there = Program(path: "/usr/bin/env", environment: nsphost.environment, words: ["-C", plugins, nsphost.path])
      try await Self.says("nobody_defines_this_either", of: ["inspect", "./undefined-in-library.so"], by: there)
      let inspected = try await nsphost.document(Inspected.self, "inspect", "undefined-in-library").provider
      #expect(
        inspected.state == "refused" && inspected.refused?.reason == "unresolved-symbol" && inspected.refused?.detail == loader,
        "\(inspected)")
      // Another file is looked at, and not said to be loaded.
      try await Self.says("state: examined", of: ["inspect", Built.fixtures + "/scripted-c.so"], by: nsphost)
      #expect(host.log.contains("undefined-in-library.so is not used: \(loader): link the library"), "\(host.log)")
    }
  }

  /// Expects no byte that a terminal obeys, and nothing that is not UTF-8.
  private static func isPlain(
    _ text: String?, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let text = try #require(text, "\(what) is not UTF-8", sourceLocation: sourceLocation)
    let controls = text.unicodeScalars.filter { ($0.value < 32 && $0 != "\n") || (127..<160).contains($0.value) }
    #expect(!text.isEmpty && controls.isEmpty && !text.contains("\u{fffd}"), "\(what): \(text)", sourceLocation: sourceLocation)
  }

  @Test("names that would drive a terminal are listed as what they are, and can be given so", arguments: Isolation.allCases)
  func names(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let nsphost = host.nsphost
      try await nsphost.expect(0, of: "lookup", "one", "--provider", "no-rundown")
      try await Self.says(Self.shown, of: ["providers"], by: nsphost)
      try await Self.says("no-rundown", of: ["inspect", Self.shown], by: nsphost)
      try await Self.says("un\(Self.shown)", "un\(Self.shown): \(Self.storage)", of: ["providers", "--refused"], by: nsphost)
      try await Self.says(
        Self.noText, "bad name: its name is not UTF-8", "do: give the file a name in UTF-8", of: ["providers", "--refused"],
        by: nsphost)
      try await Self.says("refused: bad name", of: ["inspect", Self.noText], by: nsphost)
      let bytes = Program(
        path: "/bin/sh", environment: nsphost.environment,
        words: ["-c", "exec \"$0\" inspect \"$(printf 'no-\\377-text.so')\"", nsphost.path])
      try await bytes.expect(64, "argument 2: it is not UTF-8: \(Self.noText)")

      for words in [
        ["providers"], ["providers", "--refused"], ["providers", "--json"], ["inspect", "no-rundown"],
        ["inspect", "no-rundown", "--json"],
        ["modules"], ["modules", "--json"], ["stats"], ["inspect", "\u{1b}[31m/nowhere.so"],
      ] {
        let outcome = try await nsphost.run(words)
        try Self.isPlain(outcome.output + outcome.errors, "\(words)")
      }
      let log = try #require(FileManager.default.contents(atPath: host.folder["serve.err"]))
      try Self.isPlain(String(data: log, encoding: .utf8), "the log")
      #expect(host.log.contains("un\(Self.shown) is not used"), "\(host.log)")
    }
  }

  @Test(
    "another look forgets nothing, reload and enable say why, and a file that is mended is no longer refused",
    arguments: Isolation.allCases)
  func mended(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let (nsphost, folder, loader) = (host.nsphost, host.folder, Self.loader(host.folder))
      @Sendable func put(_ file: String, as name: String) throws {
        try folder.copy(file, to: "plugins/.new")
        try #require(rename(folder["plugins/.new"], folder["plugins/" + name]) == 0)
      }
      @Sendable func isRefusedStill() async throws {
        let found = try await Self.refused("undefined-in-library.so", of: host)
        #expect(found?.reason == "unresolved-symbol" && found?.detail == loader, "\(String(describing: found))")
      }
      try put(Built.fixtures + "/scripted-b.so", as: "scripted-b.so")
      try await eventually("it is there") { try await nsphost.run("providers", "--exists", "scripted-b").status == 0 }
      try await isRefusedStill()
      try await nsphost.expect(1, loader, of: "reload", "undefined-in-library")
      try await nsphost.expect(1, loader, of: "enable", "undefined-in-library")
      try await isRefusedStill()

      try folder.write("int broken_anchor(void) { return 1; }\n", to: "mended.c")
      try await compile([folder["mended.c"]], ["-shared", "-fPIC", "-Wl,-soname,libbroken.so.1"], to: folder["mended"])
      try put(folder["mended"], as: "libbroken.so.1")
      try await nsphost.expect(0, "reloaded undefined-in-library", of: "reload", "undefined-in-library")
      #expect(try await Self.refused("undefined-in-library.so", of: host) == nil)
      try await nsphost.expect(0, of: "providers", "--exists", "undefined-in-library")
      guard isolation == .worker else { return }

      // A process that dies, and whose file can't be loaded again, says that as well.
      try put(Built.fixtures + "/bad/libbroken.so.1", as: "libbroken.so.1")
      let inspected = try await nsphost.document(Inspected.self, "inspect", "undefined-in-library").provider
      kill(try #require(inspected.process?.pid), SIGKILL)
      try await eventually("the linker's words are told: \(host.log)") {
        let outcome = try await nsphost.run("inspect", "undefined-in-library")
        return outcome.status == 0 && (outcome.output + outcome.errors).contains("while it was being loaded (\(loader))")
      }
    }
  }

  @Test("room for static storage is kept beside other tunables")
  func tunables() async throws {
    try await Self.serve(.worker, variables: ["GLIBC_TUNABLES": "glibc.malloc.arena_max=2"]) { host in
      let inspected = try await host.nsphost.document(Inspected.self, "inspect", "fails-to-load").provider
      let process = try #require(inspected.process?.pid)
      let environment = try #require(FileManager.default.contents(atPath: "/proc/\(process)/environ"))
      // Where they are told apart glibc puts ends of strings.
      let lines = environment.split { $0 == 0 || $0 == UInt8(ascii: ":") }.map { String(decoding: $0, as: UTF8.self) }
      #expect(
        lines.contains("GLIBC_TUNABLES=glibc.malloc.arena_max=2")
          && lines.contains { $0.wholeMatch(of: /glibc\.rtld\.optional_static_tls=[0-9]*/) != nil }, "\(lines)")
    }
  }
}
