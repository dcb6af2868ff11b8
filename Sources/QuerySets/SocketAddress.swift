import Glibc

/// The bytes of a `sockaddr`, opaque to the host; IPv4 and IPv6 ones have a text form. No bytes stand for a NULL address.
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
  public var bytes: [UInt8]

  public init(bytes: [UInt8]) { self.bytes = bytes }

  /// From text such as `10.0.0.7:22`, `10.0.0.7`, `[::1]:443` or `::1`. Without a port it is 0.
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
    var v4 = sockaddr_in()
    var v6 = sockaddr_in6()
    if inet_pton(AF_INET, String(host), &v4.sin_addr) == 1 {
      v4.sin_family = sa_family_t(AF_INET)
      v4.sin_port = port.bigEndian
      bytes = withUnsafeBytes(of: &v4) { Array($0) }
    } else if inet_pton(AF_INET6, String(host), &v6.sin6_addr) == 1 {
      v6.sin6_family = sa_family_t(AF_INET6)
      v6.sin6_port = port.bigEndian
      bytes = withUnsafeBytes(of: &v6) { Array($0) }
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

  public var description: String {
    if bytes.isEmpty { return "-" }
    return bytes.withUnsafeBytes { raw in
      if raw.count >= MemoryLayout<sockaddr_in>.size, family == AF_INET {
        var address = raw.loadUnaligned(as: sockaddr_in.self)
        return Self.text(AF_INET, &address.sin_addr, port: UInt16(bigEndian: address.sin_port), bracketed: false)
      }
      if raw.count >= MemoryLayout<sockaddr_in6>.size, family == AF_INET6 {
        var address = raw.loadUnaligned(as: sockaddr_in6.self)
        return Self.text(AF_INET6, &address.sin6_addr, port: UInt16(bigEndian: address.sin6_port), bracketed: true)
      }
      let digits = Array("0123456789abcdef".utf8)
      return String(decoding: raw.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
  }

  /// `AF_INET` and the like; nil where there are too few bytes for one.
  public var family: Int32? {
    bytes.count < 2 ? nil : bytes.withUnsafeBytes { Int32($0.loadUnaligned(as: sa_family_t.self)) }
  }

  private static func text(_ family: Int32, _ address: UnsafeRawPointer, port: UInt16, bracketed: Bool) -> String {
    var buffer = [UInt8](repeating: 0, count: 64)
    buffer.withUnsafeMutableBytes { raw in
      _ = inet_ntop(family, address, raw.baseAddress!.assumingMemoryBound(to: CChar.self), 64)
    }
    let host = String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
    if port == 0 { return host }
    return bracketed ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
