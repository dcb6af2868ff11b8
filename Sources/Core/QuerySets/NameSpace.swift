/// The number of a name space (nsp.md §4.1), with the short name that people use.
public struct NameSpace: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// For requests: every name space.
  public static let all = NameSpace(rawValue: 0)
  public static let sap = NameSpace(rawValue: 1)
  public static let nds = NameSpace(rawValue: 2)
  public static let hosts = NameSpace(rawValue: 11)
  public static let dns = NameSpace(rawValue: 12)
  public static let localName = NameSpace(rawValue: 19)
  public static let ntds = NameSpace(rawValue: 32)
  public static let email = NameSpace(rawValue: 37)

  /// From a short name, the C name (`NS_DNS`) or a number.
  public init?(_ text: String) {
    let lower = text.lowercased()
    let name = lower.hasPrefix("ns_") ? String(lower.dropFirst(3)).replacing("_", with: "-") : lower
    if let found = Self.numbered.first(where: { $0.name == name }) {
      rawValue = found.number
    } else if let number = UInt32(text) {
      rawValue = number
    } else {
      return nil
    }
  }

  public var description: String { Self.numbered.first { $0.number == rawValue }?.name ?? String(rawValue) }

  /// The short names of all that have one.
  public static var names: [String] { numbered.map(\.name) }

  private static let numbered: [(name: String, number: UInt32)] = [
    ("all", 0),
    ("sap", 1),
    ("nds", 2),
    ("peer-browse", 3),
    ("slp", 5),
    ("dhcp", 6),
    ("local", 10),
    ("hosts", 11),
    ("dns", 12),
    ("netbt", 13),
    ("wins", 14),
    ("nla", 15),
    ("bth", 16),
    ("localname", 19),
    ("nbp", 20),
    ("ms", 30),
    ("stda", 31),
    ("ntds", 32),
    ("email", 37),
    ("pnrpname", 38),
    ("pnrpcloud", 39),
    ("x500", 40),
    ("nis", 41),
    ("nisplus", 42),
    ("wrq", 50),
    ("netdes", 60),
  ]
}
