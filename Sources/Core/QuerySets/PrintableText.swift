/// Text of others on its way to a terminal, a log or a document.
extension String {
  /// With every character that would control a terminal, or begin a line, written as an escape: `\u{1b}`.
  public var printable: String {
    guard unicodeScalars.contains(where: \.controlsTerminals) else { return self }
    return unicodeScalars.map { $0.controlsTerminals ? "\\u{\(String($0.value, radix: 16))}" : String($0) }.joined()
  }

  /// Bytes that should be UTF-8, such as a file's name. What is not stands as `\xff`, byte by byte, so that the text says which bytes there
  /// are.
  public init(naming bytes: some Sequence<UInt8>) {
    var text = String.UnicodeScalarView()
    var rest = bytes.makeIterator()
    var parser = Unicode.UTF8.ForwardParser()
    var position = 0
    let all = Array(bytes)
    while true {
      switch parser.parseScalar(from: &rest) {
      case .valid(let encoded):
        text.append(Unicode.UTF8.decode(encoded))
        position += encoded.count
      case .error(let length):
        for byte in all[position..<position + length] { text.append(contentsOf: Self.escape(byte).unicodeScalars) }
        position += length
      case .emptyInput:
        self = String(text)
        return
      }
    }
  }

  /// The same, up to the NUL.
  public init(naming text: UnsafePointer<CChar>) {
    var bytes: [UInt8] = []
    var next = text
    while next.pointee != 0 {
      bytes.append(UInt8(bitPattern: next.pointee))
      next += 1
    }
    self.init(naming: bytes)
  }

  private static func escape(_ byte: UInt8) -> String { "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}

extension Unicode.Scalar {
  /// Control characters, ends of lines and paragraphs, and what changes the direction of text.
  public var controlsTerminals: Bool {
    // Most text is ASCII, whose properties need no table.
    if value < 0x7F { return value < 0x20 }
    return properties.generalCategory == .control || properties.generalCategory == .lineSeparator
      || properties.generalCategory == .paragraphSeparator || properties.isBidiControl
  }
}
