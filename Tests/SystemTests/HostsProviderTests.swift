import Foundation
import Testing

/// The provider of files like /etc/hosts finds what they say at that moment, and names the lines that it can't use. Files and clients are real.
@Suite(.timeLimit(.minutes(10))) struct HostsProviderTests {
  private struct Answer: Decodable {
    struct Record: Decodable { var address: String? }
    struct Asked: Decodable { var status: String?, tookUs: Int? }
    var results: [Record], asked: [Asked]

    var addresses: [String] { results.compactMap(\.address) }
  }

  private static let one = ["192.0.2.1    One.example", "2001:db8::1  One.example"]
  private static let all = "return-name,return-addr,return-aliases"

  /// A host with the provider alone, which reads `first` and `second`. When the body has ended, so have the sessions.
  private static func serve(
    _ isolation: Isolation, second: String? = nil, settings: (WorkFolder) -> String = { _ in "" },
    _ body: @Sendable (Host) async throws -> Void
  ) async throws {
    let folder = try WorkFolder()
    try folder.write(
      """
      # A comment, and a line with one behind it.
      192.0.2.1   One.example one uno   # three names
      2001:db8::1 one.example
      192.0.2.2\ttwo.example\ttwo
      192.0.2.3   two.example
         198.51.100.7 indented

      """, to: "first")
    if let second { try folder.write(second, to: "second") }
    // However busy the machine is, no lookup is given up.
    let configuration = """
      [providers.hosts]
      deadline-ms = 60000
      \(settings(folder))
      [providers.hosts.settings]
      files = ["\(folder["first"])", "\(folder["second"])"]
      """
    let plugin = try Plugin.shipped("hosts", isolation)
    try await Host.serve(configuration, [plugin], options: ["--log", "debug"], in: folder) { host in
      try await host.loads("hosts")
      try await body(host)
      try await host.settles()
    }
  }

  /// In the same file, unlike `WorkFolder.write`.
  private static func second(_ host: Host, _ bytes: Data) throws {
    try bytes.write(to: URL(filePath: host.folder["second"]))
  }

  private static func second(_ host: Host, _ text: String) throws { try second(host, Data(text.utf8)) }

  private static func remove(_ host: Host) throws { try FileManager.default.removeItem(atPath: host.folder["second"]) }

  @Test("addresses of names, names of addresses, and aliases, of every line of every file", arguments: Isolation.allCases)
  func names(_ isolation: Isolation) async throws {
    let second = "192.0.2.9 nine.example nine\n192.0.2.1 another.example"
    try await Self.serve(isolation, second: second) { host in
      let nsphost = host.nsphost
      try await nsphost.expect(
        lines: Self.one + ["-            one", "-            one.example", "-            uno"],
        of: "lookup", "one.example", "--flags", Self.all)
      // In other letters, and with the root's dot.
      try await nsphost.expect(lines: Self.one, of: "lookup", "ONE.EXAMPLE.")
      // A name of several lines, and an alias.
      try await nsphost.expect(lines: ["192.0.2.2  two.example", "192.0.2.3  two.example"], of: "lookup", "two.example")
      try await nsphost.expect(lines: ["198.51.100.7  indented"], of: "lookup", "indented")
      // The second file's last line has no end.
      try await nsphost.expect(lines: ["192.0.2.1  another.example"], of: "lookup", "another.example")
      // The names of the first line that has the address.
      try await nsphost.expect(
        lines: ["192.0.2.1  One.example", "-          one", "-          uno"], of: "lookup", "192.0.2.1", "--flags", Self.all)
      try await nsphost.expect(lines: ["2001:db8::1  one.example"], of: "lookup", "2001:DB8:0::1")

      try await nsphost.expect(missing: "nobody.example")
      try await nsphost.expect(2, "WSANO_DATA", of: "lookup", "one", "--flags", "return-name,LUP_CONTAINERS")
      try await nsphost.expect(missing: "one", "--class", "dns/mx")
    }
  }

  @Test(
    "a dot at the end, mapped addresses, zones, bytes that are no text, and letters beyond ASCII", arguments: Isolation.allCases)
  func spellings(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      var bytes = Data("100.64.0.1 box.tail.ts.net. box.\n::ffff:198.51.100.8 mapped\nfe80::2%lo zoned\n".utf8)
      for part in [Data("192.0.2.50 first ".utf8), Data([0xFF, 0xFE]), Data(" last\n192.0.2.51 ".utf8), Data([0xFF])] {
        bytes.append(part)
      }
      bytes.append(Data("\n192.0.2.52 ÄRGER.Example\n".utf8))
      try Self.second(host, bytes)
      let nsphost = host.nsphost
      for name in ["box.tail.ts.net", "box.tail.ts.net.", "100.64.0.1"] {
        try await nsphost.expect(lines: ["100.64.0.1  box.tail.ts.net"], of: "lookup", name)
      }
      try await nsphost.expect(
        lines: ["100.64.0.1  box.tail.ts.net", "-           box"], of: "lookup", "Box.", "--flags", Self.all)

      try await nsphost.expect(
        lines: ["198.51.100.8         mapped", "::ffff:198.51.100.8  mapped"], of: "lookup", "mapped")
      for name in ["198.51.100.8", "::ffff:198.51.100.8"] {
        try await nsphost.expect(lines: ["198.51.100.8  mapped"], of: "lookup", name)
      }
      try await nsphost.expect(lines: ["192.0.2.1  One.example"], of: "lookup", "::ffff:192.0.2.1")
      try await nsphost.expect(
        lines: ["192.0.2.1  One.example"], of: "lookup", "::192.0.2.1", "--class", "inet-hostaddrbyinetstring")

      for name in ["zoned", "fe80::2%lo", "fe80::2"] {
        try await nsphost.expect(lines: ["fe80::2%lo  zoned"], of: "lookup", name)
      }
      #expect(try await nsphost.document(Answer.self, "lookup", "zoned").addresses == ["fe80::2%lo"])
      let index = try String(contentsOfFile: "/sys/class/net/lo/ifindex", encoding: .utf8)
      let other = try #require(Int(index.trimmingCharacters(in: .whitespacesAndNewlines))) + 999
      try await nsphost.expect(missing: "fe80::2%\(other)")

      // What is no text costs that name alone.
      try await nsphost.expect(lines: ["192.0.2.50  first"], of: "lookup", "last")
      try await nsphost.expect(missing: "192.0.2.51")
      try await host.writes("second:4: a name in it is no UTF-8")
      try await host.writes("second:5: is no address with names")
      // Letters of ASCII alone have two cases.
      try await nsphost.expect(lines: ["192.0.2.52  ÄRGER.Example"], of: "lookup", "Ärger.EXAMPLE")
      try await nsphost.expect(missing: "ärger.example")
    }
  }

  @Test("ten of the lines that can't be used are listed, and the rest counted", arguments: Isolation.allCases)
  func unusableLines(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      try Self.second(host, (1...30).map { "\($0).nonsense\n" }.joined())
      try await host.nsphost.expect(missing: "nobody.example")
      try await host.writes("second: 20 more lines are left out")
      #expect(host.log.matches(of: /second:[0-9]+: is no address/).count == 10, "\(host.log)")
    }
  }

  @Test("what is written, replaced, removed and made anew counts for the next lookup", arguments: Isolation.allCases)
  func changes(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let nsphost = host.nsphost
      for number in 1...8 {
        // The same length, within the same tick of the file system's clock, which takes up to 20 ms.
        try Self.second(host, "192.0.2.1\(number) moving.example\n")
        try await Task.sleep(for: .milliseconds(30))
        try await nsphost.expect(lines: ["192.0.2.1\(number)  moving.example"], of: "lookup", "moving.example")
      }
      try host.folder.write("203.0.113.5 moving.example\n", to: "new")
      #expect(rename(host.folder["new"], host.folder["second"]) == 0)
      try await nsphost.expect(lines: ["203.0.113.5  moving.example"], of: "lookup", "moving.example")
      try Self.remove(host)
      try await nsphost.expect(missing: "moving.example")
      try Self.second(host, "203.0.113.6 moving.example\n")
      try await nsphost.expect(lines: ["203.0.113.6  moving.example"], of: "lookup", "moving.example")
    }
  }

  @Test("a name may be in a file that can't be read: try again, and failing", arguments: Isolation.allCases)
  func unread(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let nsphost = host.nsphost
      try host.folder.make("second")
      try await nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "nobody.example")
      try await nsphost.expect(lines: ["192.0.2.1  One.example"], of: "lookup", "one")
      #expect(try await nsphost.run("providers", "--exists", "hosts").status != 0)
      let inspected = try await nsphost.run("inspect", "hosts").output
      #expect(inspected.firstMatch(of: /failing: .*second is left out: it is not a regular file/) != nil, "\(inspected)")
      try Self.remove(host)
      try await nsphost.expect(missing: "nobody.example")
      try await nsphost.expect(0, of: "providers", "--exists", "hosts")
    }
  }

  @Test("noise in a file costs what can't be read, and is named; a pipe keeps nobody waiting", arguments: Isolation.allCases)
  func noise(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let noise = Data((0..<300_000).map { _ in UInt8.random(in: 0...255) })
      try Self.second(host, noise + Data("\n192.0.2.77 behind-it\n999.1.1.1 no-address\n10.0.0.1\n\0\n".utf8))
      try await host.nsphost.expect(lines: ["192.0.2.77  behind-it"], of: "lookup", "behind-it")
      try await host.nsphost.expect(lines: Self.one, of: "lookup", "one.example")
      try await host.writes("second:1: is no address with names")

      try Self.remove(host)
      #expect(mkfifo(host.folder["second"], 0o644) == 0)
      try await host.nsphost.expect(lines: ["198.51.100.7  indented"], of: "lookup", "indented")
      try await host.writes("second is left out: it is not a regular file")
    }
  }

  /// Microseconds at the provider, by the host's own clock: the middle one of nine lookups of each name, which take turns.
  private static func medians(_ names: [String], of host: Host) async throws -> [Int] {
    var times = [[Int]](repeating: [], count: names.count)
    for _ in 0..<9 {
      for (index, name) in names.enumerated() {
        let asked = try await host.nsphost.document(Answer.self, "lookup", name).asked.first
        #expect(asked?.status == "success", "\(name)")
        times[index].append(try #require(asked?.tookUs))
      }
    }
    return times.map { $0.sorted()[4] }
  }

  /// 100,000 lines of as many addresses, each with what is said of its number.
  private static func lines(_ names: (Int) -> String) -> String {
    var text = ""
    for number in 0..<100_000 { text += "10.\(number >> 16).\(number >> 8 & 255).\(number & 255) \(names(number))\n" }
    return text
  }

  @Test("a lookup reads none of 100,000 lines again", arguments: Isolation.allCases)
  func large(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let few = try await Self.medians(["one"], of: host)[0]
      try Self.second(host, Self.lines { "host\($0).example h\($0)" })
      try await host.nsphost.expect(lines: ["10.1.134.159  host99999.example"], of: "lookup", "h99999")
      try await host.nsphost.expect(lines: ["10.0.0.0  host0.example"], of: "lookup", "h0")
      let many = try await Self.medians(["h99999"], of: host)[0]
      #expect(many > 0 && many < 100 * (few + 100), "\(few) us among few, \(many) us among many")
    }
  }

  @Test("a name of 100,000 lines that say the same is as quick as one of a single line", arguments: Isolation.allCases)
  func crowded(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      try Self.second(host, String(repeating: "192.0.2.1 crowd\n", count: 100_000) + "192.0.2.2 alone\n")
      try await host.nsphost.expect(lines: ["192.0.2.1  crowd"], of: "lookup", "crowd")
      try await host.nsphost.expect(lines: ["192.0.2.2  alone"], of: "lookup", "alone")
      let times = try await Self.medians(["crowd", "alone"], of: host)
      #expect(times[0] > 0 && times[1] > 0 && times[0] < 20 * times[1], "crowd and alone, in us: \(times)")
    }
  }

  @Test(
    "of 100,000 addresses of one name 4,096 are given, as quickly as those of a name that has no more",
    arguments: Isolation.allCases)
  func wide(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      try Self.second(host, Self.lines { $0 < 4096 ? "wide part" : "wide" })
      // To read them takes longer than a lookup may, where the build is one for debugging and the machine is busy.
      try await eventually("they are read") { try await host.nsphost.run("lookup", "one.example").status == 0 }
      for name in ["wide", "part"] {
        let lines = try await host.nsphost.run("lookup", name).lines
        #expect(lines.count { $0.wholeMatch(of: /10.*  wide/) != nil } == 4096, "\(name): \(lines.count) lines")
      }
      let times = try await Self.medians(["wide", "part"], of: host)
      #expect(times[0] > 0 && times[1] > 0 && times[0] < 5 * times[1], "wide and part, in us: \(times)")
    }
  }

  @Test("a worker that may connect to nothing knows a zone by its name")
  func confined() async throws {
    let settings: (WorkFolder) -> String = { "allow-connect = []\nallow-read = [\"\($0.path)\"]" }
    try await Self.serve(.worker, second: "fe80::2%lo zoned\n", settings: settings) { host in
      for name in ["zoned", "fe80::2%lo"] {
        try await host.nsphost.expect(lines: ["fe80::2%lo  zoned"], of: "lookup", name)
      }
    }
  }

  @Test(
    "glibc's own reading of the same file gives the same addresses of every name", .enabled(if: geteuid() == 0, "it takes root"),
    arguments: Isolation.allCases)
  func agreement(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      for name in ["one.example", "one", "uno", "two", "indented"] {
        let ours = try await host.nsphost.document(Answer.self, "lookup", name).addresses
        let read = try await Program(path: "/usr/bin/env").run(
          "unshare", "-m", "sh", "-c",
          "mount --bind \(host.folder["first"]) /etc/hosts && getent -s files ahosts \(name)")
        let streams = read.lines.compactMap { $0.firstMatch(of: /^(\S+) +STREAM/) }
        let theirs = streams.map { String($0.1) }
        #expect(!ours.isEmpty && ours.sorted() == theirs.sorted(), "\(name): \(read)")
      }
    }
  }
}
