/// A name with `*` for any characters, none too, and `?` for one. Case does not tell names apart.
public struct NamePattern: Sendable, Hashable {
  private let scalars: [Unicode.Scalar]
  /// Every name that matches begins with this, in lower case.
  public let prefix: String

  public static func isOne(_ name: String) -> Bool { name.utf8.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") } }

  public init(_ text: String) {
    let folded = text.lowercased()
    scalars = Array(folded.unicodeScalars)
    prefix = String(String.UnicodeScalarView(scalars.prefix { $0 != "*" && $0 != "?" }))
  }

  /// In lower case.
  public var text: String { String(String.UnicodeScalarView(scalars)) }

  /// Goes back to the last star only, so that no pattern costs more than its length times the name's.
  /// - Parameter name: In lower case.
  public func matches(_ name: String) -> Bool {
    if scalars == ["*"] { return true }
    let name = Array(name.unicodeScalars)
    var (at, place) = (0, 0)
    var star: (behind: Int, taken: Int)?
    while place < name.count {
      if at < scalars.count, scalars[at] == "*" {
        at += 1
        star = (at, place)
      } else if at < scalars.count, scalars[at] == "?" || scalars[at] == name[place] {
        at += 1
        place += 1
      } else if let last = star {
        star = (last.behind, last.taken + 1)
        (at, place) = (last.behind, last.taken + 1)
      } else {
        return false
      }
    }
    return scalars[at...].allSatisfy { $0 == "*" }
  }
}
