import Glibc

/// The zone of an address of IPv6 that is unique on one link only (RFC 4007, 11): an interface, by its name or its number.
public enum AddressZone {
  /// The interface's number. Nil where there is no interface of that name, and for what is neither a name nor a number.
  public static func number(_ zone: some StringProtocol) -> UInt32? {
    let zone = String(zone)
    guard !zone.isEmpty, !zone.utf8.contains(0) else { return nil }
    let found = if_nametoindex(zone)
    if found != 0 { return found }
    guard zone.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let number = UInt32(zone) else {
      return nil
    }
    return number == 0 ? nil : number
  }

  /// The interface's name, or its number where no interface of this machine has it.
  public static func text(_ number: UInt32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { name in
      if_indextoname(number, name.baseAddress!).map { String(cString: $0) } ?? String(number)
    }
  }
}
