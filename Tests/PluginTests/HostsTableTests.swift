import Glibc
import Testing

/// What files like /etc/hosts say, by name and by address.
@Suite struct HostsTableTests {
  private func table(_ texts: String...) -> HostsTable { table(texts.map { Array($0.utf8) }).0 }

  private func table(_ files: [[UInt8]]) -> (HostsTable, [HostsTable.Unusable]) {
    var table = HostsTable()
    let unusable = files.map { table.read($0) }
    table.seal()
    return (table, unusable)
  }

  private func addresses(_ table: HostsTable, _ name: String) -> [String]? {
    table.host(named: name)?.addresses.map { $0.socketAddress.description }
  }

  private func name(_ table: HostsTable, _ address: String) -> String? {
    HostAddress(address).flatMap { table.host(at: $0)?.name }
  }

  @Test("lines of one name are put together: addresses and aliases once, in their order")
  func lines() {
    let table = table("192.0.2.1 one uno\n2001:db8::1 one eins\n192.0.2.1 one uno\n192.0.2.1 one\n", "192.0.2.9 one neun\n")
    let host = table.host(named: "one")
    #expect(host?.name == "one" && host?.aliases == ["uno", "eins", "neun"])
    #expect(addresses(table, "one") == ["192.0.2.1", "2001:db8::1", "192.0.2.9"])
    #expect(addresses(table, "uno") == ["192.0.2.1"] && addresses(table, "eins") == ["2001:db8::1"])
    #expect(table.host(named: "one", withAliases: false)?.aliases == [])
  }

  @Test("the root's dot counts neither in a file nor in a query")
  func dots() {
    let table = table("100.64.0.1 box.tail.ts.net. box.\n100.64.0.2 other.tail.ts.net\n")
    for name in ["box.tail.ts.net", "box.tail.ts.net.", "box", "box."] { #expect(addresses(table, name) == ["100.64.0.1"]) }
    #expect(addresses(table, "other.tail.ts.net.") == ["100.64.0.2"])
    #expect(table.host(named: "box")?.name == "box.tail.ts.net" && table.host(named: "box.")?.aliases == ["box"])
    #expect(name(table, "100.64.0.1") == "box.tail.ts.net")
    #expect(addresses(table, "box..") == nil && addresses(table, ".") == nil && addresses(table, "") == nil)
  }

  @Test("the case of ASCII's letters makes no difference, that of others does, whatever else a name has")
  func cases() {
    let table = table("192.0.2.1 ÄRGER.example\n192.0.2.2 Ärger2.Example\n192.0.2.3 ÉTÉ\n")
    #expect(addresses(table, "ÄrgeR.EXAMPLE") == ["192.0.2.1"] && addresses(table, "ÄRGER2.example") == ["192.0.2.2"])
    #expect(addresses(table, "ärger.example") == nil && addresses(table, "ärger2.example") == nil)
    #expect(addresses(table, "ÉtÉ") == ["192.0.2.3"] && addresses(table, "été") == nil && addresses(table, "ETE") == nil)
  }

  @Test("mapped addresses serve both families, and addresses of IPv4 are found however they are written")
  func mapped() {
    let table = table(
      "::ffff:198.51.100.8 mapped\n198.51.100.9 plain\n::198.51.100.10 compatible\n::1 loop\n198.51.100.8 again\n198.51.100.8 mapped\n"
    )
    #expect(addresses(table, "mapped") == ["198.51.100.8", "::ffff:198.51.100.8"])
    #expect(addresses(table, "again") == ["198.51.100.8"] && addresses(table, "compatible") == ["::198.51.100.10"])
    for (address, expected) in [
      ("198.51.100.8", "mapped"), ("::ffff:198.51.100.8", "mapped"), ("::198.51.100.8", "mapped"),
      ("::ffff:198.51.100.9", "plain"),
      ("::198.51.100.9", "plain"), ("198.51.100.10", "compatible"), ("::1", "loop"),
    ] { #expect(name(table, address) == expected) }
    #expect(name(table, "0.0.0.1") == nil && name(table, "::") == nil)
    #expect(HostAddress("::ffff:198.51.100.9").flatMap { table.host(at: $0)?.addresses } == [HostAddress("198.51.100.9")!])
  }

  @Test("zones are kept, and tell addresses apart")
  func zones() {
    let other = if_nametoindex("lo") + 1000
    let table = table("fe80::2%lo zoned\nfe80::3 anywhere\nfe80::2%\(other) elsewhere\nfe80::4%\(other) far\nfe80::4%lo near\n")
    #expect(addresses(table, "zoned") == ["fe80::2%lo"] && addresses(table, "elsewhere") == ["fe80::2%\(other)"])
    for (address, expected) in [
      ("fe80::2%lo", "zoned"), ("fe80::2", "zoned"), ("fe80::2%\(other)", "elsewhere"), ("fe80::3%lo", "anywhere"),
      ("fe80::3", "anywhere"), ("fe80::4", "far"), ("fe80::4%lo", "near"),
    ] { #expect(name(table, address) == expected) }
    #expect(name(table, "fe80::2%\(other + 1)") == nil)
    #expect(HostAddress("fe80::2").flatMap { table.host(at: $0)?.addresses } == [HostAddress("fe80::2%lo")!])
  }

  @Test("a name that is no text costs that name, and no other of its line")
  func badNames() {
    let long = String(repeating: "x", count: 1025)
    let text =
      Array("192.0.2.1 good ".utf8) + [0xFF, 0xFE] + Array(" fine\n192.0.2.2 ".utf8) + [0xC3]
      + Array("\n192.0.2.3 . \(long) last\n".utf8)
    let (table, unusable) = table([text])
    #expect(table.host(named: "good")?.aliases == ["fine"] && addresses(table, "fine") == ["192.0.2.1"])
    #expect(addresses(table, "last") == ["192.0.2.3"] && name(table, "192.0.2.2") == nil)
    #expect(unusable[0].count == 3 && unusable[0].first.map(\.line) == [1, 2, 3])
    #expect(unusable[0].first.map(\.part) == [.name, .line, .name])
  }

  @Test("of what can't be used the first ten are told, and how much there is")
  func listed() {
    let text = (1...40).map { $0 % 2 == 0 ? "nonsense \($0)\n" : "192.0.2.\($0) host\($0)\n" }.joined()
    let (_, unusable) = table([Array(text.utf8), Array("192.0.2.1 fine\n# nothing\n\n".utf8)])
    #expect(unusable[0].count == 20 && unusable[0].first.map(\.line) == Array(stride(from: 2, through: 20, by: 2)))
    #expect(unusable[1] == HostsTable.Unusable())
  }

  @Test(
    "a name of 100,000 lines takes as long as its answer is, whatever the lines repeat",
    arguments: ["192.0.2.1 crowd same\n", "192.0.2.1 crowd\n192.0.2.1 crowd same\n"])
  func proportional(_ repeated: String) {
    let count = 100_000 / repeated.count(where: \.isNewline)
    let table = table(String(repeating: repeated, count: count) + "192.0.2.2 alone other\n")
    #expect(addresses(table, "crowd") == ["192.0.2.1"] && table.host(named: "crowd")?.aliases == ["same"])
    func time(_ name: String) -> Duration {
      // The least of several, which nothing else on the machine makes longer.
      (0..<5).map { _ in ContinuousClock().measure { for _ in 0..<200 { _ = table.host(named: name) } } }.min()!
    }
    // A hundred thousand times as long, where each line is looked at.
    #expect(time("crowd") < time("alone") * 50)
  }

  @Test("a name of 100,000 addresses, or aliases, has 4,096 of them, and those that don't want aliases don't wait for them")
  func bounded() {
    let addresses = (0..<100_000).map { "10.\($0 >> 16).\($0 >> 8 & 255).\($0 & 255) wide\n" }.joined()
    let aliases = (0..<100_000).map { "192.0.2.1 named alias\($0)\n" }.joined()
    let table = table(addresses, aliases, "192.0.2.2 alone\n")
    #expect(table.host(named: "wide")?.addresses.count == 4096 && table.host(named: "named")?.aliases.count == 4096)
    #expect(table.host(named: "named", withAliases: false)?.addresses.count == 1)
    func time(_ name: String) -> Duration {
      (0..<5).map { _ in ContinuousClock().measure { for _ in 0..<200 { _ = table.host(named: name, withAliases: false) } } }
        .min()!
    }
    #expect(time("named") < time("alone") * 50)
  }

  @Test("a line of many names, repeated, is read in time that grows with the file")
  func wideLines() {
    func reading(_ names: Int) -> Duration {
      let line = "192.0.2.1 " + (0..<names).map { "n\($0)" }.joined(separator: " ") + "\n"
      let text = Array((line + line + line).utf8)
      return (0..<3).map { _ in ContinuousClock().measure { _ = table([text]) } }.min()!
    }
    // Sixteen times the file; 256 times as long where each name is held against each other one.
    #expect(reading(16_000) < reading(1_000) * 90)
  }
}
