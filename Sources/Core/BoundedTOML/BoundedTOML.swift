import TOMLKit

/// TOML that somebody has written, read within bounds: the time that it takes grows with its size alone, and nothing in it uses the stack up. The
/// parser itself goes down a level for each part of a key, and copies tables in the same way.
public enum BoundedTOML {
  public static let mostBytes = 1 << 20
  /// Parts of one key; brackets and braces within each other.
  public static let mostLevels = 16

  /// The document's table.
  /// - Parameter path: Of its file, for errors.
  public static func table(_ text: String, path: String) throws(Problem) -> TOMLTable {
    guard text.utf8.count <= mostBytes else {
      throw Problem(file: path, text: "more than \(mostBytes >> 10) KiB", help: "write what it needs alone")
    }
    if let line = lineBeyondLevels(text.utf8) {
      throw Problem(
        file: path, position: Problem.Position(line: line),
        text: "more than \(mostLevels) keys, lists or tables within each other",
        help: "write at most \(mostLevels) levels")
    }
    do { return try TOMLTable(string: text) } catch {
      let begin = (error as? TOMLParseError)?.source.begin
      throw Problem(
        file: path, position: begin.map { Problem.Position(line: $0.line, column: $0.column) },
        text: "not TOML: \(error)".replacing("\n", with: " "), help: "correct it there")
    }
  }

  /// The first line, from 1, with too many levels. Knows of TOML what texts and comments are; what is none is left to the parser.
  private static func lineBeyondLevels(_ text: String.UTF8View) -> Int? {
    var scan = Scan()
    for byte in text where !scan.take(byte) { return scan.line }
    return nil
  }

  /// Where a scan is: in a text, in a comment, or between them.
  private struct Scan {
    private enum Place {
      case between
      case comment
      case text(mark: UInt8)
      /// Ended by three marks.
      case longText(mark: UInt8)
      /// Behind a text that had nothing in it: one more mark makes it the begin of a long one.
      case empty(mark: UInt8)
      /// Behind a long text: up to two more marks are its last letters.
      case behindLong(mark: UInt8, left: Int)
    }

    private(set) var line = 1
    private var place = Place.between
    /// Letters of the text so far; marks that came one behind the other at its end.
    private var letters = 0
    private var marks = 0
    private var isEscaped = false
    private var depth = 0
    private var dots = 0

    /// False where there are too many levels.
    mutating func take(_ byte: UInt8) -> Bool {
      if byte == UInt8(ascii: "\n") { line += 1 }
      switch place {
      case .comment: if byte == UInt8(ascii: "\n") { between(byte) }
      case .text(let mark): text(byte, mark)
      case .longText(let mark): longText(byte, mark)
      case .empty(let mark) where byte == mark: (place, marks) = (.longText(mark: mark), 0)
      case .behindLong(let mark, let left) where byte == mark && left > 0: place = .behindLong(mark: mark, left: left - 1)
      case .empty, .behindLong, .between: between(byte)
      }
      return depth <= BoundedTOML.mostLevels && dots < BoundedTOML.mostLevels
    }

    private mutating func text(_ byte: UInt8, _ mark: UInt8) {
      if isEscaped {
        isEscaped = false
      } else if byte == mark {
        place = letters == 0 ? .empty(mark: mark) : .between
        return
      } else if byte == UInt8(ascii: "\\"), mark == UInt8(ascii: "\"") {
        isEscaped = true
      }
      letters += 1
      // The parser goes no further.
      if byte == UInt8(ascii: "\n") { between(byte) }
    }

    private mutating func longText(_ byte: UInt8, _ mark: UInt8) {
      if isEscaped {
        isEscaped = false
      } else if byte == mark {
        marks += 1
        if marks == 3 { place = .behindLong(mark: mark, left: 2) }
        return
      } else if byte == UInt8(ascii: "\\"), mark == UInt8(ascii: "\"") {
        isEscaped = true
      }
      marks = 0
    }

    private mutating func between(_ byte: UInt8) {
      place = .between
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "'"): (place, letters, isEscaped) = (.text(mark: byte), 0, false)
      case UInt8(ascii: "#"): place = .comment
      case UInt8(ascii: "."): dots += 1
      case UInt8(ascii: "["), UInt8(ascii: "{"): (depth, dots) = (depth + 1, 0)
      case UInt8(ascii: "]"), UInt8(ascii: "}"): (depth, dots) = (max(depth - 1, 0), 0)
      case UInt8(ascii: "="), UInt8(ascii: ","), UInt8(ascii: "\n"): dots = 0
      default: break
      }
    }
  }
}
