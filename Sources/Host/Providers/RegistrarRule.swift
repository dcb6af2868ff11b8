import QuerySets

/// Who may register certain names with a provider, so that they count for everybody (`registrars` of the configuration).
public struct RegistrarRule: Sendable, Hashable {
  /// Where it stands, for messages: `providers.directory.registrars[0]`.
  public var place: String
  public var registrars: AccessList
  public var names: [Names]

  public init(place: String, registrars: AccessList, names: [Names]) {
    (self.place, self.registrars, self.names) = (place, registrars, names)
  }

  /// Some names. Case does not count in them, nor does a dot at the end.
  public enum Names: Sendable, Hashable {
    case one(String)
    /// `.example.org`: names below a domain; `@example.org`: the e-mail addresses of a domain.
    case below(String)
    case pattern(NamePattern)

    /// Nil for what is empty, or nothing but a dot or an at sign.
    public init?(_ text: String) {
      let folded = Self.folded(text)
      guard !folded.isEmpty, folded != "@" else { return nil }
      if NamePattern.isOne(folded) {
        self = .pattern(NamePattern(folded))
      } else {
        self = [".", "@"].contains(folded.first) ? .below(folded) : .one(folded)
      }
    }

    /// As the configuration has it.
    var text: String {
      switch self {
      case .one(let text), .below(let text): text
      case .pattern(let pattern): pattern.text
      }
    }

    static func folded(_ name: String) -> String {
      var name = name.lowercased()
      while name.last == "." { name.removeLast() }
      return name
    }

    /// - Parameter name: Folded.
    func cover(_ name: String) -> Bool {
      switch self {
      case .one(let own): name == own
      case .below(let end): name.hasSuffix(end) && name != end
      case .pattern(let pattern): pattern.matches(name)
      }
    }
  }

  public func covers(_ name: String) -> Bool {
    let name = Names.folded(name)
    return names.contains { $0.cover(name) }
  }
}
