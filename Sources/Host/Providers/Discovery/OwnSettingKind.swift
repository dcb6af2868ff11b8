import BoundedTOML
import SettingsTable
import TOMLKit

/// What one of a provider's own settings must be, as its manifest declares it in the table `accepts`.
public enum OwnSettingKind: Hashable, Sendable {
  case text
  case texts
  case path
  case paths
  case truth
  case number(ClosedRange<Int>)

  static let forms = "\"text\", \"texts\", \"path\", \"paths\", \"true or false\" or \"number 0 to 15\""

  init?(_ text: String) {
    switch text {
    case "text": self = .text
    case "texts": self = .texts
    case "path": self = .path
    case "paths": self = .paths
    case "true or false": self = .truth
    default:
      let words = text.split(separator: " ")
      guard words.count == 4, words[0] == "number", words[2] == "to", let least = Int(words[1]), let most = Int(words[3]),
        least <= most
      else { return nil }
      self = .number(least...most)
    }
  }

  /// As messages say it.
  var text: String {
    switch self {
    case .text: "one text"
    case .texts: "a list of texts"
    case .path: "an absolute path"
    case .paths: "a list of absolute paths"
    case .truth: "true or false"
    case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
    }
  }

  func accepts(_ values: [String]) -> Bool {
    switch self {
    case .texts: true
    case .paths: values.allSatisfy { $0.hasPrefix("/") }
    case .text: values.count == 1
    case .path: values.count == 1 && values[0].hasPrefix("/")
    case .truth: values == ["true"] || values == ["false"]
    case .number(let range): values.count == 1 && Int(values[0]).map(range.contains) == true
    }
  }
}

extension Manifest {
  /// Adds what is wrong with settings of the provider's own, by what its manifest accepts. One that declares nothing accepts all.
  /// - Parameter place: Of the table that they stand in.
  public func check(_ settings: Settings, at place: String, _ findings: inout Findings) {
    guard let accepts else { return }
    for (name, values) in settings {
      let at = TOMLPositions.place(name, in: place)
      guard let kind = accepts[name] else {
        let near = name.nearest(of: accepts.keys.sorted()).map { "did you mean \"\($0)\"?" }
        findings.refuse(
          key: at, "unknown key \"\(at)\"",
          help: near ?? "\(displayName) has the settings \(accepts.keys.sorted().joined(separator: ", "))")
        continue
      }
      if !kind.accepts(values) {
        findings.refuse(
          value: values.joined(separator: ", "), at: at, as: kind.text, help: "see accepts in the manifest of \(displayName)")
      }
    }
  }
}

extension SettingKind<[String: OwnSettingKind]> {
  static var accepted: SettingKind {
    SettingKind(
      "a table of kinds", parts: { $0.map { (".\(TOMLPositions.place($0.key, in: ""))", $0.value.text) } },
      reading: { written, findings in
        guard let table = written.value.table else {
          findings.refuse(written, as: "a table of kinds")
          return nil
        }
        let kind = SettingKind<OwnSettingKind>(
          OwnSettingKind.forms, show: \.text, read: { $0.string.flatMap { OwnSettingKind($0) } })
        var accepted: [String: OwnSettingKind] = [:]
        for name in table.keys {
          let place = TOMLPositions.place(name, in: written.place)
          guard let value = table[name] else { continue }
          accepted[name] = kind.read(WrittenValue(value, key: place, place: place, help: written.help), &findings)
        }
        return accepted
      })
  }
}
