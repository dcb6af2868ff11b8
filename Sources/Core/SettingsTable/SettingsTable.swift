import BoundedTOML
import TOMLKit

/// Where a setting may stand.
public enum SettingPlace: String, Sendable {
  case host = "nsphost.toml"
  case provider = "[providers.NAME] of nsphost.toml"
  case manifest = "a manifest"
  case worker = "the worker's order"
}

/// One setting of something: all that there is to know of it.
public struct Setting<Target>: Sendable {
  /// With the table that it stands in: `limits.connections`.
  public let key: String
  /// What its value must be.
  public let kind: String
  public let places: [SettingPlace]
  /// What it is for, and what holds without it where that is no value.
  public let help: String
  /// The value that holds without it, as people read it.
  public let standard: @Sendable (Target) -> String?
  let read: @Sendable (WrittenValue, inout Findings) -> GivenSetting<Target>?
  /// What the target has, as it is read again.
  let write: @Sendable (Target) -> (any TOMLValueConvertible)?

  /// - Parameters:
  ///   - get: The value of the target, where it is to be written.
  ///   - set: Makes of the target what the value says.
  public init<Value>(
    _ key: String, _ kind: SettingKind<Value>, in places: [SettingPlace], help: String,
    standard: @escaping @Sendable (Target) -> String? = { _ in nil },
    get: @escaping @Sendable (Target) -> Value? = { _ in nil }, set: @escaping @Sendable (inout Target, Value) -> Void
  ) {
    (self.key, self.kind, self.places, self.help, self.standard) = (key, kind.text, places, help, standard)
    write = { get($0).map(kind.write) }
    read = { written, findings in
      kind.read(written, &findings).map { value in
        let shown = kind.show(value).map { (written.place + $0.part, $0.text) }
        return GivenSetting(key: key, shown: shown) { target in set(&target, value) }
      }
    }
  }
}

extension Setting {
  /// A value of the target.
  public init<Value>(
    _ key: String, _ kind: SettingKind<Value>, _ path: WritableKeyPath<Target, Value> & Sendable, in places: SettingPlace...,
    help: String
  ) {
    self.init(
      key, kind, in: places, help: help, standard: { kind.show($0[keyPath: path]).first?.text }, get: { $0[keyPath: path] },
      set: { $0[keyPath: path] = $1 })
  }

  /// A value that the target need not have.
  /// - Parameter standard: What holds then, as people read it.
  public init<Value>(
    _ key: String, _ kind: SettingKind<Value>, _ path: WritableKeyPath<Target, Value?> & Sendable, in places: SettingPlace...,
    help: String, standard: String? = nil
  ) {
    self.init(
      key, kind, in: places, help: help, standard: { _ in standard }, get: { $0[keyPath: path] }, set: { $0[keyPath: path] = $1 })
  }
}

/// A setting that somebody has written, and that is good.
public struct GivenSetting<Target>: Sendable {
  public let key: String
  /// Places and values, as people read them.
  public let shown: [(place: String, value: String)]
  public let change: @Sendable (inout Target) -> Void
}

/// The settings of something, in the order in which they are put in force. Parsing, `config show` and `config check` come from it.
public struct SettingsTable<Target>: Sendable {
  public let settings: [Setting<Target>]
  /// Tables that settings stand in.
  private let sections: Set<String>
  /// Tables beside these, which somebody else reads.
  private let others: [String]

  public init(besides others: [String] = [], @Builder _ settings: () -> [Setting<Target>]) {
    (self.settings, self.others) = (settings(), others)
    sections = Set(self.settings.filter { $0.key.contains(".") }.map { String($0.key.prefix { $0 != "." }) })
  }

  /// Each line is one setting, and is type-checked by itself.
  @resultBuilder public enum Builder {
    public static func buildExpression(_ setting: Setting<Target>) -> Setting<Target> { setting }
    public static func buildBlock(_ settings: Setting<Target>...) -> [Setting<Target>] { settings }
  }

  /// Reads what stands in a table of a document. What is wrong there is among the findings, all of it.
  /// - Parameters:
  ///   - outer: The place of the table; empty for the document's own.
  ///   - isOther: Whether a key is not this table's business.
  public func read(
    _ table: TOMLTable, at outer: String = "", as place: SettingPlace, _ findings: inout Findings,
    except isOther: (String) -> Bool = { _ in false }
  ) -> [GivenSetting<Target>] {
    var written: [String: WrittenValue] = [:]
    for key in table.keys.sorted() where !others.contains(key) && !isOther(key) {
      guard let value = table[key] else { continue }
      let at = TOMLPositions.place(key, in: outer)
      if sections.contains(key) {
        guard let section = value.table else {
          let found = WrittenValue(value, key: at, place: at, help: "begin it with [\(key)]")
          findings.refuse(found, as: "a table")
          continue
        }
        for name in section.keys.sorted() {
          if let value = section[name] {
            note(value, "\(key).\(name)", TOMLPositions.place(name, in: at), as: place, &written, &findings)
          }
        }
      } else {
        note(value, key, at, as: place, &written, &findings)
      }
    }
    return settings.compactMap { setting in written[setting.key].flatMap { setting.read($0, &findings) } }
  }

  /// A document that says what the target has.
  public func document(of target: Target, as place: SettingPlace) -> TOMLTable {
    let document = TOMLTable()
    for setting in settings where setting.places.contains(place) {
      if let value = setting.write(target) { document[setting.key] = value }
    }
    return document
  }

  private func note(
    _ value: any TOMLValueConvertible, _ key: String, _ at: String, as place: SettingPlace,
    _ written: inout [String: WrittenValue],
    _ findings: inout Findings
  ) {
    guard let setting = settings.first(where: { $0.key == key }) else {
      let isTable = value.table != nil
      func word(_ key: String) -> String { isTable ? "[\(key)]" : "\"\(key)\"" }
      let keys = settings.filter { $0.places.contains(place) }.map(\.key)
      let known = isTable ? sections.sorted() + others : keys
      let near = key.nearest(of: known).map { "did you mean \(word($0))?" }
      let section = keys.filter { $0.hasPrefix(key.prefix { $0 != "." } + ".") }
      findings.refuse(
        key: at, "unknown \(isTable ? "table" : "key") \(word(at.shortened))",
        help: near ?? "known are \((section.isEmpty ? known : section).joined(separator: ", "))")
      return
    }
    guard setting.places.contains(place) else {
      findings.refuse(
        key: at, "\(at) does not stand in \(place.rawValue)",
        help: "it stands in \(setting.places.filter { $0 != .worker }.map(\.rawValue).joined(separator: ", "))")
      return
    }
    written[key] = WrittenValue(value, key: at, place: at, help: setting.help)
  }
}
