import BoundedTOML
import CWinsock
import QuerySets
import TOMLKit

extension Manifest {
  private static let keys =
    [
      "id", "name", "namespace", "listed", "version", "domains", "isolation", "allow-partial", "blocking", "advertises",
      "serialise", "concurrency", "cancel", "schema", "lists-registrations", "keeps-owners", "reserves-names", "enabled",
      "deadline-ms", "grace-ms", "order", "settings",
    ] + Confinement.keys

  /// From the text of a sidecar. Keys that it leaves out have the value that the file itself gives, in `base`; keys that start with
  /// `x-` are the provider's own.
  init(toml text: String, path: String, over base: Manifest) throws(Defect) {
    let table: TOMLTable
    do throws(BoundedTOML.Defect) { table = try BoundedTOML.table(text, path: path) } catch {
      throw Defect(detail: error.detail, remedy: error.remedy)
    }
    self = base
    source = .sidecar(path)
    for key in table.keys where !Self.keys.contains(key) && !key.hasPrefix("x-") {
      // Of a very long one the begin is near enough.
      let word = key.shortened
      let nearest = Self.keys.min { Self.distance($0, word) < Self.distance($1, word) } ?? "id"
      throw Defect(detail: "\(path) has an unknown key \"\(word)\"", remedy: "did you mean \"\(nearest)\"?")
    }
    func value<Value>(_ key: String, _ kind: String, _ read: (any TOMLValueConvertible) -> Value?) throws(Defect) -> Value? {
      guard let found = table[key] else { return nil }
      guard let value = read(found) else {
        throw Defect(detail: "\(path): \(key) is not \(kind)", remedy: "write \(key) as \(kind)")
      }
      return value
    }
    id = try value("id", "a GUID in quotes") { $0.string.flatMap { GUID($0) } } ?? id
    displayName = try value("name", "text that is not empty") { $0.string.flatMap { $0.isEmpty ? nil : $0 } } ?? displayName
    let served =
      try value(
        "namespace", "the name or number of a name space, or a list of these, each once, \"all\" and \"email\" not among others"
      ) {
        found in (Self.nameSpaces(in: found) ?? Self.nameSpace(in: found).map { [$0] }).flatMap { ServedNameSpaces($0) }
      } ?? nameSpaces
    let listed =
      try value("listed", "a list of names or numbers of name spaces that the provider serves, each once, \"all\" not among them")
    { found in
      Self.nameSpaces(in: found).flatMap { listed in
        let isGood = !listed.isEmpty && Set(listed).count == listed.count && !listed.contains(.all)
        return isGood && listed.allSatisfy(served.serve) ? listed : nil
      }
    } ?? served.listed
    nameSpaces = ServedNameSpaces(served.primary, further: served.further, listed: listed)
    version = try value("version", "a number from 0") { $0.int.flatMap { UInt32(exactly: $0) } } ?? version
    isolation =
      try value("isolation", "\"in-process\" or \"worker\"") { $0.string.flatMap(Isolation.init(rawValue:)) } ?? isolation
    allowsPartial = try value("allow-partial", "true or false") { $0.bool } ?? allowsPartial
    isBlocking = try value("blocking", "true or false") { $0.bool } ?? isBlocking
    advertises = try value("advertises", "true or false") { $0.bool } ?? advertises
    let serialises = try value("serialise", "true or false") { $0.bool }
    let bound = try value("concurrency", "a number from 1 to 4096") { found in
      found.int.flatMap { (1...4096).contains($0) ? $0 : nil }
    }
    if serialises == true, let bound, bound != 1 {
      throw Defect(
        detail: "\(path): serialise = true and concurrency = \(bound) contradict each other",
        remedy: "leave one of them out: serialise = true means concurrency = 1")
    }
    // Said to be false, it takes back what the file says.
    if let serialises { concurrency = serialises ? 1 : nil }
    concurrency = bound ?? concurrency
    endsWait =
      try value("cancel", "\"end\" or \"wait\"") { ["end": false, "wait": true][$0.string ?? ""] } ?? endsWait
    storesClasses = try value("schema", "true or false") { $0.bool } ?? storesClasses
    listsRegistrations = try value("lists-registrations", "true or false") { $0.bool } ?? listsRegistrations
    keepsOwners = try value("keeps-owners", "true or false") { $0.bool } ?? keepsOwners
    reservesNames = try value("reserves-names", "true or false") { $0.bool } ?? reservesNames
    isEnabled = try value("enabled", "true or false") { $0.bool } ?? isEnabled
    order =
      try value("order", "a number from -1000000 to 1000000") { found in
        found.int.flatMap { (-1_000_000...1_000_000).contains($0) ? $0 : nil }
      } ?? order
    deadline = try value("deadline-ms", "a number from 1") {
      $0.int.flatMap { (1...86_400_000).contains($0) ? .milliseconds($0) : nil }
    }
    grace =
      try value("grace-ms", "a number from 1") {
        $0.int.flatMap { (1...86_400_000).contains($0) ? .milliseconds($0) : nil }
      } ?? grace
    settings = try value("settings", Self.kindOfSettings) { Self.settings(in: $0) } ?? settings
    for key in Confinement.keys {
      var confinement = confinement
      _ = try value(key, Confinement.kind(of: key)) { confinement.take(key, $0) }
      self.confinement = confinement
    }
    let domainTexts =
      try value("domains", "a list of texts") { found -> [String]? in
        guard let array = found.array else { return nil }
        let texts = array.compactMap(\.string)
        return texts.count == array.count ? texts : nil
      }
    guard let domainTexts else { return }
    domains = []
    servesAnyDomain = false
    for domain in domainTexts { try add(domain: domain) }
  }

  private static func nameSpace(in found: any TOMLValueConvertible) -> NameSpace? {
    found.string.flatMap { NameSpace($0) } ?? found.int.flatMap { UInt32(exactly: $0) }.map(NameSpace.init(rawValue:))
  }

  /// Nil for what is no list, and for a list with something else in it.
  private static func nameSpaces(in found: any TOMLValueConvertible) -> [NameSpace]? {
    guard let array = found.array else { return nil }
    let spaces = array.map { nameSpace(in: $0) }
    return spaces.contains(nil) ? nil : spaces.compactMap(\.self)
  }

  /// What a table of a provider's own settings is, for messages.
  public static let kindOfSettings = "a table of texts, numbers, true or false, and lists of these, without NUL and not empty"

  /// A provider's own settings; nil where something else is among them.
  public static func settings(in found: any TOMLValueConvertible) -> Settings? {
    guard let table = found.table else { return nil }
    var settings: Settings = [:]
    for key in table.keys {
      guard let value = table[key] else { return nil }
      let texts = value.array.map { $0.map(text) } ?? [text(value)]
      guard !key.isEmpty, texts.allSatisfy({ $0 != nil }) else { return nil }
      settings[key] = texts.compactMap(\.self)
    }
    return settings
  }

  private static func text(_ value: any TOMLValueConvertible) -> String? {
    let text = value.string ?? value.int.map(String.init) ?? value.bool.map(String.init)
    return text.flatMap { $0.isEmpty || $0.utf8.contains(0) ? nil : $0 }
  }

  /// How many letters two words are apart (Levenshtein).
  private static func distance(_ left: String, _ right: String) -> Int {
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
}

extension String {
  /// As much of a word of somebody else as a message shows.
  fileprivate var shortened: String { count > 64 ? prefix(64) + "…" : self }
}
