import CIDN

extension Resolver {
  /// The name whose PTR records are the names of an address, which has 4 or 16 bytes.
  public static func reverseName(of address: [UInt8]) -> String? {
    switch address.count {
    case 4: return address.reversed().map(String.init).joined(separator: ".") + ".in-addr.arpa."
    case 16:
      let digits = address.reversed().flatMap { [$0 & 15, $0 >> 4] }
      return digits.map { String($0, radix: 16) }.joined(separator: ".") + ".ip6.arpa."
    default: return nil
    }
  }

  /// The name as the Domain Name System has it: labels with letters beyond ASCII by IDNA 2008.
  public static func asciiName(_ name: String) throws(Failure) -> String {
    guard isPossible(name) else { throw .invalidName }
    // Of those names nothing is known but that they are names: underscores and escapes are none of IDNA's.
    if name.utf8.allSatisfy({ $0 < 0x80 }) { return name }
    var found: UnsafeMutablePointer<CChar>?
    let flags = Int32(IDN2_NFC_INPUT.rawValue | IDN2_NONTRANSITIONAL.rawValue)
    guard idn2_to_ascii_8z(name, &found, flags) == IDN2_OK.rawValue, let found else { throw .invalidName }
    // libidn2 has allocated it.
    defer { idn2_free(found) }
    return String(cString: found)
  }

  /// Enough for 255 bytes, each of them escaped.
  static let longestName = 1024

  /// Whether C can be given it.
  static func isPossible(_ name: String) -> Bool { !name.isEmpty && name.utf8.count <= longestName && !name.utf8.contains(0) }

  /// The names to ask for, one after the other (resolv.conf(5), ndots). None for a special name: a search domain would only give it away.
  static func candidates(_ name: String, searches: Bool, domains: [String], ndots: Int) -> [String] {
    let special = SpecialName(name)
    if special == .loopback || special == .onion { return [] }
    guard searches, name.utf8.last != UInt8(ascii: ".") else { return special == nil ? [name] : [] }
    let dots = name.utf8.count { $0 == UInt8(ascii: ".") }
    let searched = domains.filter { $0 != "." }.map { "\(name).\($0)" }
    // A search domain that is special itself has no names: whatever is looked for would be this machine.
    return (dots >= ndots ? [name] + searched : searched + [name]).filter { SpecialName($0) == nil }
  }
}
