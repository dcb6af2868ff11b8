import RandomSequences
import Testing

/// Texts of callers, in UTF-16 and UTF-8.
@Suite struct TextTests {
  private static func wide(_ units16: [UInt16], limit: Int = 1000) -> [UInt16]? {
    (units16 + [0]).withUnsafeBytes { units($0.baseAddress!, .wide, limit: limit) }
  }

  private static func narrow(_ bytes: [UInt8], limit: Int = 1000) -> [UInt16]? {
    (bytes + [0]).withUnsafeBytes { units($0.baseAddress!, .narrow, limit: limit) }
  }

  private static func back(_ units: [UInt16]) -> String {
    (units + [0]).withUnsafeBufferPointer { source in
      let size = ClientLibraryTests.narrow(source.baseAddress!, into: nil)
      var bytes = [UInt8](repeating: 0xAA, count: size + 1)
      #expect(ClientLibraryTests.narrow(source.baseAddress!, into: &bytes) == size && bytes[size] == 0xAA && bytes[size - 1] == 0)
      return String(decoding: bytes[..<(size - 1)], as: UTF8.self)
    }
  }

  @Test(
    "what is well-formed is the same in both forms, and comes back as it was",
    arguments: ["", "a", "ü€", "\u{10FFFF}x\u{10000}", "\u{FFFD}"])
  func same(_ text: String) {
    #expect(Self.wide(Array(text.utf16)) == Array(text.utf16) && Self.narrow(Array(text.utf8)) == Array(text.utf16))
    #expect(Self.back(Array(text.utf16)) == text)
  }

  @Test(
    "surrogates that are alone or in the wrong order",
    arguments: [[0xD800], [0xDC00], [0xDC00, 0xD800], [0x61, 0xDBFF, 0x61]] as [[UInt16]])
  func surrogates(_ units: [UInt16]) { #expect(Self.wide(units) == nil) }

  @Test("a text has so many units at most, the NUL not counted")
  func limits() {
    #expect(Self.wide([1, 2, 3], limit: 3) != nil && Self.wide([1, 2, 3, 4], limit: 3) == nil)
    #expect(Self.narrow(Array("abc".utf8), limit: 3) != nil && Self.narrow(Array("abcd".utf8), limit: 3) == nil)
  }

  @Test("UTF-8 is judged as the standard library judges it: 50,000 short texts, the seed is printed")
  func random() {
    let seed = UInt64.random(in: .min ... .max)
    print("texts: seed \(seed)")
    var chance = SplitMix(state: seed)
    // Bytes at which the rules of UTF-8 change.
    let edges: [UInt8] = [
      0x01, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4,
      0xF5, 0xFF,
    ]
    for _ in 0..<50_000 {
      let bytes = (0..<Int.random(in: 1...5, using: &chance)).map { _ in edges.randomElement(using: &chance)! }
      let expected = String(validating: bytes, as: UTF8.self).map { Array($0.utf16) }
      let found = Self.narrow(bytes)
      if found != expected { Issue.record("\(bytes): \(String(describing: found)), not \(String(describing: expected))") }
    }
  }
}
