import CWinsock

/// The C structure itself is the value type of this project for ids; its text form is lower case, without braces.
// swift-format-ignore: AvoidRetroactiveConformances
extension GUID: @retroactive Hashable, @retroactive CustomStringConvertible {
  public static let zero = GUID()

  private var bits: (UInt64, UInt64) { unsafeBitCast(self, to: (UInt64, UInt64).self) }

  public static func == (left: GUID, right: GUID) -> Bool { left.bits == right.bits }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(bits.0)
    hasher.combine(bits.1)
  }

  /// The sixteen bytes in the order of the text form.
  public var bytes: [UInt8] {
    let head = withUnsafeBytes(of: Data1.bigEndian, Array.init) + withUnsafeBytes(of: Data2.bigEndian, Array.init)
    return head + withUnsafeBytes(of: Data3.bigEndian, Array.init) + withUnsafeBytes(of: Data4, Array.init)
  }

  /// Sixteen bytes in the order of the text form; nil for another count.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    self.init()
    Data1 = bytes[0..<4].reduce(0) { $0 << 8 | UInt32($1) }
    Data2 = bytes[4..<6].reduce(0) { $0 << 8 | UInt16($1) }
    Data3 = bytes[6..<8].reduce(0) { $0 << 8 | UInt16($1) }
    withUnsafeMutableBytes(of: &Data4) { $0.copyBytes(from: bytes[8..<16]) }
  }

  /// `8-4-4-4-12` hexadecimal digits in either case, with or without braces.
  public init?(_ text: String) {
    var text = Substring(text)
    if text.first == "{", text.last == "}" { text = text.dropFirst().dropLast() }
    let groups = text.split(separator: "-", omittingEmptySubsequences: false)
    guard groups.map(\.count) == [8, 4, 4, 4, 12] else { return nil }
    let digits = Array(groups.joined().utf8)
    guard digits.count == 32 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: 32, by: 2) {
      guard let high = Self.value(digits[index]), let low = Self.value(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    self.init(bytes: bytes)
  }

  public var description: String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
