import BoundedTOML
import TOMLKit

/// A value that somebody has written, and where.
public struct WrittenValue {
  public let value: any TOMLValueConvertible
  /// As messages name it: `limits.connections`. The elements of a list have the key of the list.
  public let key: String
  /// As `TOMLPositions` names it.
  public let place: String
  /// What the setting is for.
  public let help: String

  public init(_ value: any TOMLValueConvertible, key: String, place: String, help: String) {
    (self.value, self.key, self.place, self.help) = (value, key, place, help)
  }

  /// Nil for what is no list.
  public var elements: [WrittenValue]? {
    value.array.map { list in
      list.enumerated().map { WrittenValue($1, key: key, place: "\(place)[\($0)]", help: help) }
    }
  }

  /// As people read it, in a message.
  public var text: String {
    switch value.type {
    case .string: "\"\((value.string ?? "").shortened)\""
    case .int: value.int.map(String.init) ?? "a number"
    case .bool: value.bool.map(String.init) ?? ""
    case .double: value.double.map { "\($0)" } ?? "a number"
    case .table: "a table"
    case .array: "a list"
    case .date, .time, .dateTime: "a date or time"
    }
  }
}

/// What is wrong in one document, gathered while it is read.
public struct Findings {
  private struct Finding {
    var place: String
    var isAboutKey: Bool
    var value: String?
    var text: String
    var help: String
  }

  private var all: [Finding] = []

  public init() {}

  public var isEmpty: Bool { all.isEmpty }

  /// The value can't be used.
  /// - Parameters:
  ///   - why: Behind the key.
  ///   - help: Otherwise what the setting is for.
  public mutating func refuse(_ written: WrittenValue, _ why: String, help: String? = nil) {
    all.append(
      Finding(
        place: written.place, isAboutKey: false, value: written.text, text: "\(written.key): \(why)", help: help ?? written.help))
  }

  /// - Parameter kind: What the value is not.
  public mutating func refuse(_ written: WrittenValue, as kind: String) { refuse(written, "\(written.text) is not \(kind)") }

  /// - Parameter place: Of the value that is meant.
  public mutating func refuse(value: String, at place: String, as kind: String, help: String) {
    all.append(
      Finding(
        place: place, isAboutKey: false, value: value.shortened, text: "\(place): \(value.shortened) is not \(kind)", help: help))
  }

  /// - Parameter place: Of the key that is meant.
  public mutating func refuse(key place: String, _ text: String, help: String) {
    all.append(Finding(place: place, isAboutKey: true, text: text, help: help))
  }

  /// The same with their positions, in the order of the file.
  public func problems(in text: String, path: String) -> [Problem] {
    guard !all.isEmpty else { return [] }
    let positions = TOMLPositions(of: text)
    let problems = all.map { finding in
      Problem(
        file: path, position: finding.isAboutKey ? positions.key(finding.place) : positions.value(finding.place),
        key: finding.place.shortened, value: finding.value, text: finding.text, help: finding.help)
    }
    let last = Problem.Position(line: .max)
    return problems.sorted { ($0.position ?? last) < ($1.position ?? last) }
  }
}

extension String {
  /// As much of a word of somebody else as a message shows.
  var shortened: String { count > 64 ? prefix(64) + "…" : self }

  /// The one of these keys that this word may be meant to be: it, or its last part, is a few letters away.
  public func nearest(of keys: [String]) -> String? {
    let word = shortened
    let near = keys.map { key in
      let last = String(key.split(separator: ".").last ?? "")
      return (key: key, distance: Swift.min(editDistance(word, key), editDistance(word, last)))
    }.min { $0.distance < $1.distance }
    return near.flatMap { $0.distance <= Swift.max(2, word.count / 3) ? $0.key : nil }
  }
}

/// How many letters two words are apart (Levenshtein).
private func editDistance(_ left: String, _ right: String) -> Int {
  var row = Array(0...right.count)
  for (index, letter) in left.enumerated() {
    var previous = row[0]
    row[0] = index + 1
    for (column, other) in right.enumerated() {
      (previous, row[column + 1]) = (
        row[column + 1], min(row[column] + 1, row[column + 1] + 1, previous + (letter == other ? 0 : 1))
      )
    }
  }
  return row[right.count]
}
