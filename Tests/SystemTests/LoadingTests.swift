import Foundation
import Testing

/// What files bring with them when they are loaded, and what becomes of the host: each in the host's process, then in one of its own.
@Suite(.timeLimit(.minutes(5))) struct LoadingTests {
  /// A host that finds the Swift runtime for what its providers need.
  private static func serve(
    _ isolation: Isolation, _ plugins: [String], under: [String] = [], _ body: @Sendable (Host) async throws -> Void
  ) async throws {
    try await Host.serve(
      "isolation = \"\(isolation.rawValue)\"\n", plugins.map { Plugin(file: $0) },
      variables: ["LD_LIBRARY_PATH": try await swiftLibraries()], under: under, body)
  }

  private static func swiftLibraries() async throws -> String {
    let said = try await Program(path: "/usr/bin/env").run("ldd", Built.nsphost).output
    return String(try #require(said.firstMatch(of: #/=> (/.*)/libswiftCore.so /#), "\(said)").1)
  }

  private static func answers(_ number: Int, _ host: Host, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await host.nsphost.expect(
      0, "that", of: "lookup", "that", "--provider", LoadedFiles.id(number), sourceLocation: sourceLocation)
  }

  /// Expects that `inspect` prints lines that have these regular expressions.
  private static func inspect(
    _ provider: String, _ host: Host, says patterns: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let outcome = try await host.nsphost.run("inspect", provider)
    for pattern in patterns {
      #expect(
        outcome.output.range(of: pattern, options: .regularExpression) != nil, "nothing says \(pattern): \(outcome)",
        sourceLocation: sourceLocation)
    }
  }

  /// By a program: Foundation reads no more than the first page of such a file.
  private static func maps(_ host: Host) async throws -> [String] {
    let outcome = try await Program(path: "/usr/bin/env").run("cat", "/proc/\(host.processID)/maps")
    try #require(outcome.output.contains("[stack]"), "\(outcome)")
    return outcome.lines
  }

  // MARK: what a file brings with it

  @Test("a Swift runtime two libraries away stays mapped", arguments: Isolation.allCases)
  func swiftRuntime(_ isolation: Isolation) async throws {
    let made = try LoadedFiles()
    try made.folder.make("deep")
    let source = """
      @_cdecl("deep") public func deep() -> Int32 { "\\(Deep.self)".isEmpty ? 0 : 1 }
      protocol Named { static var name: String { get } }
      struct Deep: Named { static let name = "deep" }
      """
    try made.folder.write(source, to: "deep.swift")
    let compiled = try await Program(path: "/usr/bin/env").run(
      "swiftc", "-emit-library", "-parse-as-library", "-module-name", "Deep", made["deep.swift"], "-o", made["deep/libdeep.so"],
      "-Xlinker", "-soname=libdeep.so")
    try #require(compiled.status == 0, "\(compiled)")
    try await made.library(
      "deep/libmiddle.so", source: "int deep(void); int middle(void) { return deep(); }",
      ["-Wl,-soname,libmiddle.so", "-L" + made["deep"], "-ldeep", "-Wl,-rpath,$ORIGIN"])
    let deep = try await made.provider(
      "deep.so", "deep", 1, "-DNEEDS=middle", "-L" + made["deep"], "-lmiddle", "-Wl,-rpath," + made["deep"],
      "-Wl,--allow-shlib-undefined")
    let plain = try await made.provider("plain.so", "plain", 2)
    try await Self.serve(isolation, [deep, plain]) { host in
      try await Self.answers(1, host)
      try await Self.inspect(
        "deep", host, says: "unload: no: it stays mapped: .*/deep/libdeep.so brings the Swift runtime")
      for _ in 0..<3 {
        try await host.nsphost.expect(0, of: "disable", "deep")
        try await host.nsphost.expect(0, of: "enable", "deep")
        try await Self.answers(1, host)
      }
      if isolation == .inProcess {
        try await host.nsphost.expect(0, of: "disable", "deep")
        // Whatever looks at the conformances of types walks over what is registered.
        try await host.nsphost.expect(0, of: "stats")
        let maps = try await Self.maps(host)
        #expect(maps.contains { $0.contains("libdeep") }, "libdeep.so has left")
      }
      try await Self.answers(2, host)
      try await host.nsphost.expect(0, of: "sessions", "--json")
    }
  }

  @Test("a provider that links a second host is refused, with the remedy", arguments: Isolation.allCases)
  func secondHost(_ isolation: Isolation) async throws {
    let made = try LoadedFiles()
    try made.folder.make("second")
    try made.folder.copy(Built.folder + "/libNSPHostLibrary.so", to: "second/libnsphost.so.0")
    try FileManager.default.createSymbolicLink(atPath: made["second/libnsphost.so"], withDestinationPath: "libnsphost.so.0")
    let (place, rest) = ("-L" + made["second"], ["-Wl,-rpath," + made["second"], "-Wl,--allow-shlib-undefined"])
    let second = try await made.provider("second.so", "second", 3, "-Wl,--no-as-needed", place, "-lnsphost", rest[0], rest[1])
    try await made.library(
      "second/libnear.so", source: "int near(void) { return 1; }",
      ["-Wl,-soname,libnear.so", "-Wl,--no-as-needed", place, "-lnsphost", "-Wl,-rpath,$ORIGIN", "-Wl,--allow-shlib-undefined"])
    let near = try await made.provider("second-near.so", "second-near", 4, "-DNEEDS=near", place, "-lnear", rest[0], rest[1])
    let plain = try await made.provider("plain.so", "plain", 2)
    try await Self.serve(isolation, [second, near, plain]) { host in
      let plugins = host.folder["plugins/"]
      let refusal = "refused: second host: links a second host: \(made["second"])/"
      try await Self.inspect(plugins + "second.so", host, says: refusal, "pkg-config --cflags nsp-provider")
      try await Self.inspect(
        plugins + "second-near.so", host, says: refusal, "pkg-config --cflags nsp-provider",
        made["second/libnear.so"] + " needs")
      #expect(host.log.contains("second.so is not used"), "\(host.log)")
      try await Self.answers(2, host)
    }
  }

  @Test("data with the name of a routine is none, and an indirect function is one", arguments: Isolation.allCases)
  func data(_ isolation: Isolation) async throws {
    let made = try LoadedFiles()
    let plugins = [
      try await made.provider("data-startup.so", "data-startup", 5, "-DDATA_STARTUP"),
      try await made.provider("data-end.so", "data-end", 6, "-DDATA_END"),
      try await made.provider("indirect.so", "indirect", 7, "-DINDIRECT"), try await made.provider("plain.so", "plain", 2),
    ]
    try await Self.serve(isolation, plugins) { host in
      for number in [5, 7, 2] { try await Self.answers(number, host) }
      try await Self.inspect("data-startup", host, says: "Startup +stub")
      try await Self.inspect(host.folder["plugins/data-end.so"], host, says: "missing routine: NSPv2LookupServiceEnd")
    }
  }

  /// Says nothing of its stack any more: PT_GNU_STACK becomes PT_NULL.
  private static func silence(_ file: String) throws {
    var bytes = try Data(contentsOf: URL(filePath: file))
    func number(_ offset: Int, _ size: Int) -> Int { (0..<size).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) } }
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2))
    let headers = (0..<count).map { table + $0 * size }.filter { number($0, 4) == 0x6474_E551 }
    try #require(headers.count == 1)
    for header in headers { bytes.replaceSubrange(header..<header + 4, with: Data(count: 4)) }
    try bytes.write(to: URL(filePath: file))
  }

  @Test(
    "a file that wants an executable stack, or a library of it, or that says nothing, runs in a worker only",
    arguments: Isolation.allCases)
  func executableStack(_ isolation: Isolation) async throws {
    let made = try LoadedFiles()
    let stack = try await made.provider("stack.so", "stack", 8, "-Wl,-z,execstack")
    try await made.library(
      "near/libwild.so", source: "int wild(void) { return 1; }", ["-Wl,-soname,libwild.so", "-Wl,-z,execstack"])
    let near = try await made.provider(
      "stack-near.so", "stack-near", 9, "-DNEEDS=wild", "-L" + made["near"], "-lwild", "-Wl,-rpath," + made["near"])
    let silent = try await made.provider("stack-silent.so", "stack-silent", 10)
    try Self.silence(silent)
    let plain = try await made.provider("plain.so", "plain", 2)
    try await Self.serve(isolation, [stack, near, silent, plain]) { host in
      if isolation == .inProcess {
        for name in ["stack", "stack-near", "stack-silent"] {
          try await Self.inspect(
            name, host, says: "refused: executable stack", "noexecstack, or run it in a worker",
            "stack: .*wants an executable one")
        }
        try await Self.inspect("stack-near", host, says: "libwild.so")
        try await Self.answers(2, host)
      } else {
        for number in [8, 9, 10] { try await Self.answers(number, host) }
        try await Self.inspect("stack", host, says: "stack: it wants an executable one: only a worker loads it")
      }
      let executable = try await Self.maps(host).filter { $0.split(separator: " ")[1].contains("x") && $0.contains("stack") }
      #expect(executable == [])
    }
  }

  // MARK: no page that can be written is ever executed

  private static func mdwe(in folder: WorkFolder) async throws -> String {
    try await compile([LoadedFiles.sources + "mdwe.c"], to: folder["mdwe"])
    return folder["mdwe"]
  }

  /// Since Linux 6.3.
  private static func hasMDWE() async throws -> Bool {
    let folder = try WorkFolder()
    return try await Program(path: try await mdwe(in: folder)).run("true").status == 0
  }

  @Test(
    "the host under PR_SET_MDWE: providers of both versions and stubs",
    .enabled("this kernel does not have it") { try await hasMDWE() }, arguments: Isolation.allCases)
  func writeOrExecute(_ isolation: Isolation) async throws {
    let made = try LoadedFiles()
    let mdwe = try await Self.mdwe(in: made.folder)
    let plain = try await made.provider("plain.so", "plain", 2)
    let plugins = [plain] + ["version1", "partial-set"].map { Built.fixtures + "/\($0).so" }
    try await Self.serve(isolation, plugins, under: [mdwe]) { host in
      try await Program(path: mdwe).expect(lines: ["in-force"], of: "of", "\(host.processID)")
      try await Self.answers(2, host)
      try await host.nsphost.expect(0, "record", of: "lookup", "records-1", "--provider", "version1")
      try await host.nsphost.expect(1, "WSAEOPNOTSUPP", of: "lookup", "that", "--provider", "partial-set")
      try await Self.inspect("partial-set", host, says: "LookupServiceBegin +stub +WSAEOPNOTSUPP +[1-9]")
      for name in ["plain", "version1", "partial-set"] { try await host.nsphost.expect(0, of: "reload", name) }
      try await Self.answers(2, host)
      try await host.ends(within: .seconds(15))
    }
  }
}
