/// Where the keys and values of a document stand. The document is one that the parser has accepted: a reader that must tell no good document from
/// a bad one needs to know little of TOML. It ends with every text.
public struct TOMLPositions {
  /// By place, as messages write one: `providers.hello.registrars[0].users`. A key with other signs than letters, digits, `_` and `-` is in quotes.
  private var keys: [String: Problem.Position] = [:]
  private var values: [String: Problem.Position] = [:]

  public init(of text: String) {
    var reader = Reader(text)
    reader.document()
    (keys, values) = (reader.keys, reader.values)
  }

  /// Where the key is written; for a table its header.
  public func key(_ place: String) -> Problem.Position? { keys[place] ?? values[place] }
  public func value(_ place: String) -> Problem.Position? { values[place] ?? keys[place] }

  /// The place of a key of a table; the document's own table is the empty place.
  public static func place(_ key: String, in table: String) -> String {
    let isBare = !key.isEmpty && key.utf8.allSatisfy(Reader.isBare)
    let word = isBare ? key : "\"" + key.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    return table.isEmpty ? word : "\(table).\(word)"
  }

  private struct Reader {
    private(set) var keys: [String: Problem.Position] = [:]
    private(set) var values: [String: Problem.Position] = [:]
    private let bytes: [UInt8]
    private var at = 0
    private var line = 1
    private var column = 1
    /// How many tables each list of tables has so far.
    private var counts: [String: Int] = [:]

    init(_ text: String) { bytes = Array(text.utf8) }

    static func isBare(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    }

    mutating func document() {
      var table = ""
      while next() != nil {
        let begin = position
        guard take("[") else {
          assignment(in: table)
          continue
        }
        let isListed = take("[")
        table = header(path(), at: begin, isListed: isListed)
        while take("]") {}
      }
    }

    /// The table that a header begins: parts of its name that are lists of tables mean the last of these.
    private mutating func header(_ path: [String], at begin: Problem.Position, isListed: Bool) -> String {
      var table = ""
      for (index, part) in path.enumerated() {
        table = TOMLPositions.place(part, in: table)
        if keys[table] == nil { keys[table] = begin }
        if isListed, index == path.count - 1 { counts[table, default: 0] += 1 }
        if let count = counts[table] { table += "[\(count - 1)]" }
      }
      if values[table] == nil { values[table] = begin }
      return table
    }

    private mutating func assignment(in table: String) {
      let begin = position
      var place = table
      for part in path() {
        place = TOMLPositions.place(part, in: place)
        if keys[place] == nil { keys[place] = begin }
      }
      _ = next()
      _ = take("=")
      value(at: place)
    }

    private mutating func value(at place: String) {
      guard let byte = next() else { return }
      values[place] = position
      switch byte {
      case UInt8(ascii: "["):
        advance()
        var index = 0
        while let byte = next(), byte != UInt8(ascii: "]") {
          value(at: "\(place)[\(index)]")
          index += 1
          if next() == UInt8(ascii: ",") { advance() }
        }
        advance()
      case UInt8(ascii: "{"):
        advance()
        while let byte = next(), byte != UInt8(ascii: "}") {
          assignment(in: place)
          if next() == UInt8(ascii: ",") { advance() }
        }
        advance()
      case UInt8(ascii: "\""), UInt8(ascii: "'"): _ = text(byte)
      default: repeat { advance() } while here.map { !",]}#\n".utf8.contains($0) } ?? false
      }
    }

    /// The parts of a key.
    private mutating func path() -> [String] {
      var parts: [String] = []
      repeat {
        skipBlanks()
        guard let byte = here else { break }
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
          parts.append(text(byte))
        } else {
          let begin = at
          repeat { advance() } while here.map { !" \t\r\n.=]".utf8.contains($0) } ?? false
          parts.append(String(decoding: bytes[begin..<at], as: UTF8.self))
        }
        skipBlanks()
      } while take(".")
      return parts
    }

    /// What is between marks. Escaped signs but marks and backslashes stay as they are written.
    private mutating func text(_ mark: UInt8) -> String {
      let isLong = bytes[at...].starts(with: [mark, mark, mark])
      for _ in 0..<(isLong ? 3 : 1) { advance() }
      var content: [UInt8] = []
      while let byte = here, isLong ? !bytes[at...].starts(with: [mark, mark, mark]) : byte != mark {
        if byte == UInt8(ascii: "\\"), mark == UInt8(ascii: "\"") {
          advance()
          if let escaped = here, escaped != mark, escaped != UInt8(ascii: "\\") { content.append(byte) }
        }
        if let byte = here { content.append(byte) }
        advance()
      }
      // Up to two more marks are the last signs of a long one.
      for _ in 0..<(isLong ? 5 : 1) where here == mark { advance() }
      return String(decoding: content, as: UTF8.self)
    }

    // MARK: Signs

    private var here: UInt8? { at < bytes.count ? bytes[at] : nil }
    private var position: Problem.Position { Problem.Position(line: line, column: column) }

    private mutating func advance() {
      guard let byte = here else { return }
      at += 1
      if byte == UInt8(ascii: "\n") { (line, column) = (line + 1, 1) } else if byte & 0xC0 != 0x80 { column += 1 }
    }

    private mutating func take(_ sign: Unicode.Scalar) -> Bool {
      guard here == UInt8(ascii: sign) else { return false }
      advance()
      return true
    }

    private mutating func skipBlanks() { while here == UInt8(ascii: " ") || here == UInt8(ascii: "\t") { advance() } }

    /// The next sign that is no space, end of line or comment.
    private mutating func next() -> UInt8? {
      while let byte = here {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): advance()
        case UInt8(ascii: "#"): while let byte = here, byte != UInt8(ascii: "\n") { advance() }
        default: return byte
        }
      }
      return nil
    }
  }
}
