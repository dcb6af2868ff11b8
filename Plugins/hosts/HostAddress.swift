import Glibc
import QuerySets

/// An address as files have it, small enough to keep a hundred thousand of them.
struct HostAddress: Hashable, Sendable {
  private let high: UInt64
  private let low: UInt64
  let family: Int32
  let scope: UInt32

  /// From text such as 192.0.2.1, 2001:db8::1, or fe80::1%eth0. Nil for anything else, an interface that there is not, too.
  init?(_ text: String) {
    var text = text
    let parsed = text.withUTF8 { HostAddress(UnsafeRawBufferPointer($0)) }
    guard let parsed else { return nil }
    self = parsed
  }

  init?(_ text: UnsafeRawBufferPointer) {
    guard (2...80).contains(text.count), !text.contains(0) else { return nil }
    let end = text.firstIndex(of: UInt8(ascii: "%")) ?? text.count
    let parsed = withUnsafeTemporaryAllocation(byteCount: text.count + 1, alignment: 1) { copy -> HostAddress? in
      copy.copyMemory(from: text)
      copy[text.count] = 0
      copy[end] = 0
      let characters = copy.baseAddress!.assumingMemoryBound(to: CChar.self)
      var bytes: (UInt64, UInt64) = (0, 0)
      if inet_pton(AF_INET, characters, &bytes) == 1, end == text.count { return HostAddress(bytes, AF_INET, 0) }
      guard inet_pton(AF_INET6, characters, &bytes) == 1 else { return nil }
      guard end < text.count else { return HostAddress(bytes, AF_INET6, 0) }
      return AddressZone.number(String(cString: characters + end + 1)).map { HostAddress(bytes, AF_INET6, $0) }
    }
    guard let parsed else { return nil }
    self = parsed
  }

  private init(_ bytes: (UInt64, UInt64), _ family: Int32, _ scope: UInt32) {
    (high, low, self.family, self.scope) = (bytes.0, bytes.1, family, scope)
  }

  /// The same on any link.
  var withoutScope: HostAddress { HostAddress((high, low), family, 0) }

  /// The address of IPv4 that one of IPv6 stands for (`SocketAddress.unmapped`); every other one as it is.
  var unmapped: HostAddress {
    guard family == AF_INET6, high == 0 else { return self }
    let plain = socketAddress.unmapped
    guard plain.family == AF_INET, let host = plain.host else { return self }
    var bytes: (UInt64, UInt64) = (0, 0)
    withUnsafeMutableBytes(of: &bytes) { $0.copyBytes(from: host) }
    return HostAddress(bytes, AF_INET, 0)
  }

  /// Whether it is written as `::ffff:192.0.2.1`.
  var isMapped: Bool { family == AF_INET6 && high == 0 && UInt64(bigEndian: low) >> 32 == 0xFFFF }

  var socketAddress: SocketAddress {
    withUnsafeBytes(of: (high, low)) { bytes in
      SocketAddress(host: bytes.prefix(family == AF_INET ? 4 : 16), scope: scope) ?? SocketAddress(bytes: [])
    }
  }
}
