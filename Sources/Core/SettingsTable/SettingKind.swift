import TOMLKit

/// What the value of a setting must be, and how people read it.
public struct SettingKind<Value: Sendable>: Sendable {
  /// Behind "is not" and "write": `a number from 1 to 4096`.
  public let text: String
  /// Nil for a value that can't be used: then the findings have at least one more.
  public let read: @Sendable (WrittenValue, inout Findings) -> Value?
  /// The value, or the parts of one with several: what is behind the key, and the text.
  public let show: @Sendable (Value) -> [(part: String, text: String)]
  /// The value as it is read again.
  public let write: @Sendable (Value) -> any TOMLValueConvertible

  /// - Parameter write: Otherwise the value itself where that can be written, and else as people read it.
  public init(
    _ text: String, parts show: @escaping @Sendable (Value) -> [(part: String, text: String)],
    writing write: (@Sendable (Value) -> any TOMLValueConvertible)? = nil,
    reading read: @escaping @Sendable (WrittenValue, inout Findings) -> Value?
  ) {
    (self.text, self.read, self.show) = (text, read, show)
    self.write = write ?? { $0 as? any TOMLValueConvertible ?? show($0).map(\.text).joined() }
  }

  /// A kind of single values.
  public init(
    _ text: String, show: @escaping @Sendable (Value) -> String = { "\($0)" },
    write: (@Sendable (Value) -> any TOMLValueConvertible)? = nil,
    read: @escaping @Sendable (any TOMLValueConvertible) -> Value?
  ) {
    self.init(
      text, parts: { [("", show($0))] }, writing: write,
      reading: { written, findings in
        let value = read(written.value)
        if value == nil { findings.refuse(written, as: text) }
        return value
      })
  }

  /// A list of values of another kind.
  /// - Parameter text: What a list of these is, behind "a list of".
  public static func list<Element>(
    of kind: SettingKind<Element>, _ text: String, separator: String = ", "
  ) -> SettingKind where Value == [Element] {
    SettingKind(
      "a list of \(text)",
      parts: { list in [("", list.flatMap { kind.show($0).map(\.text) }.joined(separator: separator))] },
      writing: { TOMLArray($0.map(kind.write)) },
      reading: { written, findings in
        guard let elements = written.elements else {
          findings.refuse(written, as: "a list of \(text)")
          return nil
        }
        let values = elements.map { kind.read($0, &findings) }
        return values.contains { $0 == nil } ? nil : values.compactMap(\.self)
      })
  }

  /// One of these words.
  public static func choice(_ words: KeyValuePairs<String, Value>) -> SettingKind where Value: Equatable {
    let quoted = words.map { "\"\($0.key)\"" }
    let text = quoted.dropLast().joined(separator: ", ") + " or " + (quoted.last ?? "")
    let show: @Sendable (Value) -> String = { value in words.first { $0.value == value }?.key ?? "" }
    return SettingKind(
      text, show: show, write: show,
      read: { written in
        written.string.flatMap { word in words.first { $0.key == word }?.value }
      })
  }
}

extension SettingKind where Value: FixedWidthInteger {
  public static func number(_ range: ClosedRange<Value>) -> SettingKind {
    SettingKind("a number from \(range.lowerBound)" + (range.upperBound == .max ? "" : " to \(range.upperBound)")) { written in
      written.int.flatMap { Value(exactly: $0) }.flatMap { range.contains($0) ? $0 : nil }
    }
  }
}

extension SettingKind<Duration> {
  public static func milliseconds(_ range: ClosedRange<Int>) -> SettingKind {
    SettingKind(
      "a number from \(range.lowerBound) to \(range.upperBound)",
      show: { String($0.components.seconds * 1000 + $0.components.attoseconds / 1_000_000_000_000_000) },
      read: { written in written.int.flatMap { range.contains($0) ? .milliseconds($0) : nil } })
  }
}

extension SettingKind<Bool> {
  public static var truth: SettingKind { SettingKind("true or false") { $0.bool } }
}

extension SettingKind<String> {
  public static var anyText: SettingKind { text("text that is not empty") { _ in true } }

  public static var path: SettingKind { text("an absolute path in quotes") { $0.hasPrefix("/") } }

  /// Text without NUL that is not empty.
  public static func text(_ text: String, where isGood: @escaping @Sendable (String) -> Bool) -> SettingKind {
    SettingKind(text) { written in
      written.string.flatMap { !$0.isEmpty && !$0.utf8.contains(0) && isGood($0) ? $0 : nil }
    }
  }
}
