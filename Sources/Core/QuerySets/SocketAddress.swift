import Glibc

/// The bytes of a `sockaddr`, opaque to the host; IPv4 and IPv6 ones have a text form, with the zone of those that have one. No bytes stand
/// for a NULL address.
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
  public var bytes: [UInt8]

  public init(bytes: [UInt8]) { self.bytes = bytes }

  /// From text such as `10.0.0.7:22`, `10.0.0.7`, `[::1]:443`, `::1` or `[fe80::7%eth0]:631`. Without a port it is 0.
  public init?(_ text: String) {
    var host = Substring(text)
    var port: UInt16 = 0
    if host.first == "[" {
      guard let end = host.firstIndex(of: "]") else { return nil }
      let rest = host[host.index(after: end)...]
      host = host[host.index(after: host.startIndex)..<end]
      if !rest.isEmpty {
        guard rest.first == ":", let number = UInt16(rest.dropFirst()) else { return nil }
        port = number
      }
    } else if let colon = host.firstIndex(of: ":"), host.lastIndex(of: ":") == colon {
      guard let number = UInt16(host[host.index(after: colon)...]) else { return nil }
      port = number
      host = host[..<colon]
    }
    self.init(hostText: String(host), port: port)
  }

  /// From the text of an address alone, without brackets: `10.0.0.7`, `2001:db8::1`, or with a zone `fe80::1%eth0` and `fe80::1%2`.
  /// Nil for anything else, also for a zone of which this machine has no interface.
  public init?(hostText text: String, port: UInt16 = 0) {
    guard !text.utf8.contains(0) else { return nil }
    let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    var bytes = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, text, &bytes) == 1 {
      self.init(host: bytes.prefix(4), port: port)
    } else if inet_pton(AF_INET6, String(parts[0]), &bytes) == 1 {
      guard parts.count == 2 else {
        self.init(host: bytes, port: port)
        return
      }
      guard let scope = AddressZone.number(parts[1]) else { return nil }
      self.init(host: bytes, port: port, scope: scope)
    } else {
      return nil
    }
  }

  /// An address of IPv4 or IPv6 by its 4 or 16 bytes, in network order; nil for another number of them.
  /// - Parameter scope: The interface of a link-local address of IPv6.
  public init?(host: some Collection<UInt8>, port: UInt16 = 0, scope: UInt32 = 0) {
    switch host.count {
    case 4:
      var v4 = sockaddr_in()
      v4.sin_family = sa_family_t(AF_INET)
      v4.sin_port = port.bigEndian
      withUnsafeMutableBytes(of: &v4.sin_addr) { $0.copyBytes(from: host) }
      bytes = withUnsafeBytes(of: &v4) { Array($0) }
    case 16:
      var v6 = sockaddr_in6()
      v6.sin6_family = sa_family_t(AF_INET6)
      v6.sin6_port = port.bigEndian
      v6.sin6_scope_id = scope
      withUnsafeMutableBytes(of: &v6.sin6_addr) { $0.copyBytes(from: host) }
      bytes = withUnsafeBytes(of: &v6) { Array($0) }
    default: return nil
    }
  }

  /// The 4 or 16 bytes of an address of IPv4 or IPv6; nil for others.
  public var host: ArraySlice<UInt8>? {
    switch family {
    case AF_INET? where bytes.count >= MemoryLayout<sockaddr_in>.size: bytes[4..<8]
    case AF_INET6? where bytes.count >= MemoryLayout<sockaddr_in6>.size: bytes[8..<24]
    default: nil
    }
  }

  /// Of an address of IPv4 or IPv6.
  public var port: UInt16? { host == nil ? nil : UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }

  /// The interface of an address of IPv6; 0 where there is none.
  public var scope: UInt32 {
    family == AF_INET6 && host != nil ? bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 24, as: UInt32.self) } : 0
  }

  /// The address of IPv4 in an IPv4-mapped (`::ffff:192.0.2.1`) or IPv4-compatible (`::192.0.2.1`) one of IPv6, with its port; every
  /// other address as it is. Names are known of addresses of IPv4, however a program writes them (RFC 4291, 2.5.5).
  public var unmapped: SocketAddress {
    guard let host, host.count == 16, host.prefix(10).allSatisfy({ $0 == 0 }) else { return self }
    let (mark, rest) = (Array(host.dropFirst(10).prefix(2)), Array(host.suffix(4)))
    // `::` and `::1` are IPv6's own.
    guard mark == [255, 255] || mark == [0, 0] && rest != [0, 0, 0, 0] && rest != [0, 0, 0, 1] else { return self }
    return SocketAddress(host: rest, port: port ?? 0) ?? self
  }

  public var description: String {
    if bytes.isEmpty { return "-" }
    return bytes.withUnsafeBytes { raw in
      if raw.count >= MemoryLayout<sockaddr_in>.size, family == AF_INET {
        var address = raw.loadUnaligned(as: sockaddr_in.self)
        return Self.text(AF_INET, &address.sin_addr, port: UInt16(bigEndian: address.sin_port), scope: 0, bracketed: false)
      }
      if raw.count >= MemoryLayout<sockaddr_in6>.size, family == AF_INET6 {
        var address = raw.loadUnaligned(as: sockaddr_in6.self)
        return Self.text(
          AF_INET6, &address.sin6_addr, port: UInt16(bigEndian: address.sin6_port), scope: address.sin6_scope_id, bracketed: true)
      }
      let digits = Array("0123456789abcdef".utf8)
      return String(decoding: raw.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
  }

  /// `AF_INET` and the like; nil where there are too few bytes for one.
  public var family: Int32? {
    bytes.count < 2 ? nil : bytes.withUnsafeBytes { Int32($0.loadUnaligned(as: sa_family_t.self)) }
  }

  private static func text(
    _ family: Int32, _ address: UnsafeRawPointer, port: UInt16, scope: UInt32, bracketed: Bool
  ) -> String {
    var buffer = [UInt8](repeating: 0, count: 64)
    buffer.withUnsafeMutableBytes { raw in
      _ = inet_ntop(family, address, raw.baseAddress!.assumingMemoryBound(to: CChar.self), 64)
    }
    let zone = scope == 0 ? "" : "%" + AddressZone.text(scope)
    let host = String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self) + zone
    if port == 0 { return host }
    return bracketed ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
