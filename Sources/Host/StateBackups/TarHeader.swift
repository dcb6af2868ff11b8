import Glibc

/// A header of a tar archive (POSIX.1-1988 ustar) for a regular file: the only kind of entry that a backup has.
struct TarHeader: Equatable {
  enum Defect: Error, Equatable {
    /// The checksum, or a field, is wrong.
    case damaged
    /// Something else than a regular file, and which letter says so.
    case otherKind(Character)
  }

  static let size = 512
  static let longestName = 100

  var name: String
  var mode: UInt32
  /// Of the content, in bytes.
  var length: Int64
  /// Seconds since 1970.
  var modified: Int64

  /// Content is filled up to whole blocks.
  static func padded(_ length: Int64) -> Int64 { (length + Int64(size) - 1) / Int64(size) * Int64(size) }

  /// Nil for a block of zeros: the end of an archive.
  static func read(_ block: [UInt8]) throws(Defect) -> TarHeader? {
    guard block.count == size else { throw .damaged }
    if block.allSatisfy({ $0 == 0 }) { return nil }
    // Summed up with spaces in the place of the sum.
    let sum = block.enumerated().reduce(0) { $0 + (Self.sum.contains($1.offset) ? 32 : Int($1.element)) }
    guard let said = number(block[Self.sum]), said == Int64(sum), block[257..<263].elementsEqual("ustar\0".utf8) else {
      throw .damaged
    }
    let kind = block[156]
    guard kind == UInt8(ascii: "0") || kind == 0 else { throw .otherKind(Character(UnicodeScalar(kind))) }
    let name = block[0..<100].prefix { $0 != 0 }
    guard let text = String(validating: name, as: UTF8.self), !text.isEmpty, block[345] == 0, let mode = number(block[100..<108]),
      let length = number(block[124..<136]), let modified = number(block[136..<148])
    else { throw .damaged }
    return TarHeader(name: text, mode: UInt32(truncatingIfNeeded: mode), length: length, modified: modified)
  }

  var block: [UInt8] {
    var block = [UInt8](repeating: 0, count: Self.size)
    func put(_ bytes: some Collection<UInt8>, _ range: Range<Int>) {
      for (offset, byte) in bytes.prefix(range.count).enumerated() { block[range.lowerBound + offset] = byte }
    }
    put(name.utf8, 0..<100)
    put(Self.digits(Int64(mode & 0o7777), 7), 100..<107)
    put(Self.digits(0, 7), 108..<115)
    put(Self.digits(0, 7), 116..<123)
    if length < 1 << 33 {
      put(Self.digits(length, 11), 124..<135)
    } else {
      // As GNU tar writes what has no room in octal digits.
      put([0x80, 0, 0, 0] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) }, 124..<136)
    }
    put(Self.digits(max(0, min(modified, 1 << 33 - 1)), 11), 136..<147)
    block[156] = UInt8(ascii: "0")
    put("ustar\0".utf8, 257..<263)
    put("00".utf8, 263..<265)
    put([UInt8](repeating: 32, count: 8), Self.sum)
    let sum = block.reduce(0) { $0 + Int64($1) }
    put(Self.digits(sum, 6) + [0, 32], Self.sum)
    return block
  }

  private static let sum = 148..<156

  private static func digits(_ value: Int64, _ count: Int) -> [UInt8] {
    let digits = Array(String(value, radix: 8).utf8)
    return [UInt8](repeating: UInt8(ascii: "0"), count: max(0, count - digits.count)) + digits
  }

  /// Octal digits, or GNU tar's binary number. Nil for anything else, and for what is negative.
  private static func number(_ field: ArraySlice<UInt8>) -> Int64? {
    if field.first == 0x80 {
      let digits = field.dropFirst().drop { $0 == 0 }
      guard digits.count < 8 else { return nil }
      return digits.reduce(0) { $0 << 8 | Int64($1) }
    }
    let digits = field.drop { $0 == 32 }.prefix { (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }
    guard field.drop(while: { $0 == 32 }).dropFirst(digits.count).allSatisfy({ $0 == 0 || $0 == 32 }) else { return nil }
    return digits.reduce(0) { $0 << 3 | Int64($1 - UInt8(ascii: "0")) }
  }
}
