import RandomSequences
import Testing

@testable import Resolver

/// Messages as servers send them, which may say anything.
@Suite struct MessageTests {
  private static func name(_ text: String) -> [UInt8] {
    text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
  }

  private static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xFF)] }

  /// The name that is asked for, wherever it is needed again.
  private static let pointer: [UInt8] = [0xC0, 12]

  private static func record(
    _ type: UInt16, _ data: [UInt8], seconds: [UInt8] = [0, 0, 0, 60], recordClass: UInt16 = 1, length: Int? = nil
  ) -> [UInt8] {
    pointer + word(type) + word(recordClass) + seconds + word(UInt16(length ?? data.count)) + data
  }

  private static func message(_ records: [[UInt8]], count: Int? = nil) -> [UInt8] {
    word(1) + word(0x8180) + word(1) + word(UInt16(count ?? records.count)) + word(0) + word(0) + name("example.org") + word(255)
      + word(1) + records.flatMap { $0 }
  }

  @Test("records of each kind, with names that point back into the message")
  func kinds() throws {
    let found = try #require(
      Message(
        Self.message([
          Self.record(1, [192, 0, 2, 1]), Self.record(28, Array(1...16)), Self.record(5, [3] + Array("www".utf8) + Self.pointer),
          Self.record(15, Self.word(10) + Self.pointer),
          Self.record(33, Self.word(1) + Self.word(2) + Self.word(993) + Self.pointer),
          Self.record(16, [1, 65, 0, 2, 66, 67]), Self.record(99, [1, 2, 3]),
        ])))
    #expect(found.question == "example.org")
    #expect(
      found.answers.map(\.data) == [
        .address([192, 0, 2, 1]), .address(Array(1...16)), .name("www.example.org"),
        .mail(preference: 10, exchange: "example.org"),
        .service(priority: 1, weight: 2, port: 993, target: "example.org"), .text([[65], [], [66, 67]]), .other([1, 2, 3]),
      ])
    #expect(found.answers[3].bytes == Self.word(10) + Self.name("example.org"), "names are spelled out")
    #expect(found.answers.allSatisfy { $0.timeToLive == 60 && $0.owner == "example.org" })
  }

  @Test("a time to live of more than 31 bits counts as none; records of another class are passed over")
  func details() throws {
    let found = try #require(
      Message(
        Self.message([
          Self.record(1, [192, 0, 2, 1], seconds: [0x80, 0, 0, 0]), Self.record(1, [192, 0, 2, 2], recordClass: 3),
        ])))
    #expect(found.answers.count == 1 && found.answers[0].timeToLive == 0)
  }

  @Test(
    "records whose data is too short, too long or not their kind's",
    arguments: [
      record(1, [192, 0, 2]), record(1, [192, 0, 2, 1, 0]), record(28, Array(1...15)), record(15, [0]), record(15, [0, 10]),
      record(15, [0, 10] + pointer + [0]), record(33, [0, 1, 0, 2, 3]), record(16, []), record(16, [5, 65]), record(5, []),
      record(5, [0xC0, 0xFF]), record(6, pointer), record(1, [192, 0, 2, 1], length: 400),
    ])
  func refused(_ record: [UInt8]) { #expect(Message(Self.message([record])) == nil) }

  @Test("a name that points at itself, and a count without records")
  func lies() {
    let loop = Self.message([]).count + 12
    #expect(Message(Self.message([Self.record(5, [0xC0, UInt8(loop)])])) == nil)
    #expect(Message(Self.message([Self.record(1, [192, 0, 2, 1])], count: 2)) == nil)
  }

  @Test("messages that are cut off, and 20,000 with some bytes changed, are read or refused; the seed is printed")
  func random() {
    let seed = UInt64.random(in: .min ... .max)
    print("DNS messages: seed \(seed)")
    var chance = SplitMix(state: seed)
    let whole = Self.message([
      Self.record(33, Self.word(1) + Self.word(2) + Self.word(993) + Self.pointer),
      Self.record(6, Self.pointer + Self.pointer + Array(1...20)),
      Self.record(16, [1, 65]),
    ])
    for count in whole.indices { #expect(Message(Array(whole[..<count])) == nil, "\(count) bytes") }
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &chance) {
        bytes[Int.random(in: bytes.indices, using: &chance)] = .random(in: 0...255, using: &chance)
      }
      _ = Message(bytes)
    }
  }
}

/// Names, and the order in which they are asked for.
@Suite struct NameTests {
  @Test("names of addresses")
  func reverse() {
    #expect(Resolver.reverseName(of: [192, 0, 2, 1]) == "1.2.0.192.in-addr.arpa.")
    let name = Resolver.reverseName(of: [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1])
    #expect(name == "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.")
    #expect(Resolver.reverseName(of: [1, 2, 3]) == nil)
  }

  @Test("letters beyond ASCII by IDNA 2008; what is ASCII stays as it is")
  func ascii() throws {
    #expect(try Resolver.asciiName("bücher.example") == "xn--bcher-kva.example")
    #expect(try Resolver.asciiName("_srv.A_b.example") == "_srv.A_b.example")
    for name in ["", "a\0b", String(repeating: "a", count: 1025), "\u{2028}.example"] {
      #expect(throws: Resolver.Failure.invalidName) { try Resolver.asciiName(name) }
    }
  }

  @Test("search: a name with dots enough goes first as it is, another one last; a final dot is never searched")
  func search() {
    let domains = ["one.test", "two.test"]
    func asked(_ name: String, searches: Bool = true, ndots: Int = 1) -> [String] {
      Resolver.candidates(name, searches: searches, domains: domains, ndots: ndots)
    }
    #expect(asked("host") == ["host.one.test", "host.two.test", "host"])
    #expect(asked("a.host") == ["a.host", "a.host.one.test", "a.host.two.test"])
    #expect(asked("a.host", ndots: 2) == ["a.host.one.test", "a.host.two.test", "a.host"])
    #expect(asked("host.") == ["host."] && asked("host", searches: false) == ["host"])
  }
}
