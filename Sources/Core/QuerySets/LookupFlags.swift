/// What a lookup asks for and how (nsp.md §4.2). Bits without a name here are passed through unread.
public struct LookupFlags: OptionSet, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let deep = LookupFlags(rawValue: 0x1)
  public static let containers = LookupFlags(rawValue: 0x2)
  public static let noContainers = LookupFlags(rawValue: 0x4)
  public static let nearest = LookupFlags(rawValue: 0x8)
  public static let returnName = LookupFlags(rawValue: 0x10)
  public static let returnType = LookupFlags(rawValue: 0x20)
  public static let returnVersion = LookupFlags(rawValue: 0x40)
  public static let returnComment = LookupFlags(rawValue: 0x80)
  public static let returnAddress = LookupFlags(rawValue: 0x100)
  public static let returnBlob = LookupFlags(rawValue: 0x200)
  public static let returnAliases = LookupFlags(rawValue: 0x400)
  public static let returnQueryString = LookupFlags(rawValue: 0x800)
  public static let flushCache = LookupFlags(rawValue: 0x1000)
  public static let flushPrevious = LookupFlags(rawValue: 0x2000)
  public static let nonAuthoritative = LookupFlags(rawValue: 0x4000)
  public static let resService = LookupFlags(rawValue: 0x8000)
  public static let secure = LookupFlags(rawValue: 0x8000)
  public static let returnPreferredNames = LookupFlags(rawValue: 0x10000)
  public static let dnsOnly = LookupFlags(rawValue: 0x20000)
  public static let returnResponseFlags = LookupFlags(rawValue: 0x40000)
  /// Registrations count whoever made them (nspowners.h); `secure` goes before it.
  public static let allOwners = LookupFlags(rawValue: 0x80000)
  public static let addressConfiguration = LookupFlags(rawValue: 0x100000)
  public static let dualAddress = LookupFlags(rawValue: 0x200000)
  public static let fileServer = LookupFlags(rawValue: 0x400000)
  public static let disableIDNEncoding = LookupFlags(rawValue: 0x800000)
  public static let resolutionHandle = LookupFlags(rawValue: 0x8000_0000)

  /// Every member of a record.
  public static let returnAll = LookupFlags(rawValue: 0xFF0)
  /// The bits that name members of a record.
  public static let returnBits: LookupFlags = [.returnAll, .returnPreferredNames]

  /// The flags that hold for one Next (nsp.md §9.1): a Next can only narrow which members are returned, and none means those of
  /// Begin; what acts in one call stays with that call; the rest is the union.
  public static func effective(begin: LookupFlags, next: LookupFlags) -> LookupFlags {
    let wanted = next.intersection(.returnBits)
    let returned = wanted.isEmpty ? begin.intersection(.returnBits) : wanted.intersection(begin)
    return begin.union(next).subtracting(.returnBits).subtracting(.flushPrevious).union(returned)
      .union(next.intersection(.flushPrevious))
  }

  /// A flag by the name that it has in C (`LUP_RETURN_NAME`), or in short form (`return-name`), in either case.
  public init?(named name: String) {
    let wanted = name.uppercased().replacing("-", with: "_")
    guard let found = Self.names.first(where: { $0.name == wanted || $0.name == "LUP_" + wanted }) else { return nil }
    self = found.flag
  }

  public var description: String {
    if self == .returnAll { return "LUP_RETURN_ALL" }
    return Self.names.filter { $0.name != "LUP_RETURN_ALL" && contains($0.flag) }.map(\.name).joined(separator: "|")
  }

  /// Every flag in the short form.
  public static var shortNames: [String] {
    names.map { $0.name.dropFirst("LUP_".count).lowercased().replacing("_", with: "-") }
  }

  private static let names: [(name: String, flag: LookupFlags)] = [
    ("LUP_RETURN_ALL", .returnAll),
    ("LUP_DEEP", .deep),
    ("LUP_CONTAINERS", .containers),
    ("LUP_NOCONTAINERS", .noContainers),
    ("LUP_NEAREST", .nearest),
    ("LUP_RETURN_NAME", .returnName),
    ("LUP_RETURN_TYPE", .returnType),
    ("LUP_RETURN_VERSION", .returnVersion),
    ("LUP_RETURN_COMMENT", .returnComment),
    ("LUP_RETURN_ADDR", .returnAddress),
    ("LUP_RETURN_BLOB", .returnBlob),
    ("LUP_RETURN_ALIASES", .returnAliases),
    ("LUP_RETURN_QUERY_STRING", .returnQueryString),
    ("LUP_FLUSHCACHE", .flushCache),
    ("LUP_FLUSHPREVIOUS", .flushPrevious),
    ("LUP_NON_AUTHORITATIVE", .nonAuthoritative),
    ("LUP_RES_SERVICE", .resService),
    ("LUP_SECURE", .secure),
    ("LUP_RETURN_PREFERRED_NAMES", .returnPreferredNames),
    ("LUP_DNS_ONLY", .dnsOnly),
    ("LUP_RETURN_RESPONSE_FLAGS", .returnResponseFlags),
    ("LUP_ALL_OWNERS", .allOwners),
    ("LUP_ADDRCONFIG", .addressConfiguration),
    ("LUP_DUAL_ADDR", .dualAddress),
    ("LUP_FILESERVER", .fileServer),
    ("LUP_DISABLE_IDN_ENCODING", .disableIDNEncoding),
    ("LUP_RESOLUTION_HANDLE", .resolutionHandle),
  ]
}
