import Testing

@testable import StateBackups

@Suite struct TarHeaderTests {
  private let header = TarHeader(name: "state/directory.db", mode: 0o600, length: 12_345, modified: 1_700_000_000)

  @Test("a header is read as it was written, whatever the length")
  func roundTrip() throws {
    for length: Int64 in [0, 1, 511, 512, 1 << 33 - 1, 1 << 33, 1 << 45] {
      var header = header
      header.length = length
      #expect(try TarHeader.read(header.block) == header)
    }
  }

  @Test("each bit that is turned over is noticed")
  func damage() {
    for byte in 0..<TarHeader.size {
      var block = header.block
      block[byte] ^= 0x41
      #expect(throws: TarHeader.Defect.self, "byte \(byte)") { try TarHeader.read(block) }
    }
  }

  @Test("an entry of another kind, and a negative or endless length, are defects")
  func foreign() {
    func summed(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
      var block = header.block
      change(&block)
      block.replaceSubrange(148..<156, with: [UInt8](repeating: 32, count: 8))
      let digits = Array(String(block.reduce(0) { $0 + Int($1) }, radix: 8).utf8)
      block.replaceSubrange(148..<156, with: [UInt8](repeating: 48, count: 6 - digits.count) + digits + [0, 32])
      return block
    }
    #expect(throws: TarHeader.Defect.otherKind("2")) { try TarHeader.read(summed { $0[156] = UInt8(ascii: "2") }) }
    #expect(throws: TarHeader.Defect.otherKind("L")) { try TarHeader.read(summed { $0[156] = UInt8(ascii: "L") }) }
    for field in [[UInt8](repeating: 0xFF, count: 12), [0x80] + [UInt8](repeating: 0xFF, count: 11), Array("-00000000001".utf8)] {
      #expect(throws: TarHeader.Defect.damaged) { try TarHeader.read(summed { $0.replaceSubrange(124..<136, with: field) }) }
    }
    #expect(throws: TarHeader.Defect.damaged) { try TarHeader.read(summed { $0.replaceSubrange(0..<2, with: [0xFF, 0xFE]) }) }
    #expect(throws: TarHeader.Defect.damaged) { try TarHeader.read(Array(header.block.dropLast())) }
  }

  @Test("names lead nowhere else")
  func names() {
    for name in ["", ".", "..", "a/b", "/", "a\nb", "\u{7F}"] { #expect(!Archive.isPlain(name), "\(name)") }
    for name in ["catalog.toml", "...", "a b", "é"] { #expect(Archive.isPlain(name), "\(name)") }
  }

  @Test("the checksum is that of gzip")
  func checksum() {
    var checksum = Checksum()
    Array("1234".utf8).withUnsafeBytes { checksum.add($0) }
    Array("56789".utf8).withUnsafeBytes { checksum.add($0) }
    #expect(checksum.value == 0xCBF4_3926)
  }
}
