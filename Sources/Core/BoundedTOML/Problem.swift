/// One error in a file: its place, what is wrong, and the next step.
public struct Problem: Error, Hashable, Sendable {
  /// From 1; columns are Unicode scalars.
  public struct Position: Hashable, Sendable, Comparable {
    public var line: Int
    public var column: Int?

    public init(line: Int, column: Int? = nil) { (self.line, self.column) = (line, column) }

    public static func < (left: Position, right: Position) -> Bool {
      (left.line, left.column ?? 0) < (right.line, right.column ?? 0)
    }
  }

  public var file: String
  public var position: Position?
  /// The key that it is about, with the tables around it: `limits.connections`.
  public var key: String?
  /// What stands there, as people read it.
  public var value: String?
  public var text: String
  public var help: String

  public init(
    file: String, position: Position? = nil, key: String? = nil, value: String? = nil, text: String, help: String
  ) {
    (self.file, self.position, self.key, self.value, self.text, self.help) = (file, position, key, value, text, help)
  }

  /// `FILE:LINE:COLUMN: TEXT`, as editors read it.
  public var line: String {
    let place = [position?.line, position?.column].compactMap { $0.map { ":\($0)" } }.joined()
    return "\(file)\(place): \(text)"
  }
}

/// All that is wrong, in the order of the file; never none.
public struct Problems: Error, Hashable, Sendable {
  public let all: [Problem]

  public init(_ all: [Problem]) { self.all = all }
}
