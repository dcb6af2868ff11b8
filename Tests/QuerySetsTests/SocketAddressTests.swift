import Glibc
import QuerySets
import Testing

/// Addresses as text, with zones, and addresses of IPv4 that are written as those of IPv6.
@Suite struct SocketAddressTests {
  @Test(
    "a zone survives the text form, with and without a port",
    arguments: ["fe80::2%lo", "[fe80::7%lo]:631", "fe80::1%4294967295", "[fe80::1%4294967295]:1", "ff02::1%lo"])
  func zones(_ text: String) { #expect(SocketAddress(text)?.description == text) }

  @Test("an interface's number is as good as its name, and is printed as the name")
  func numbers() throws {
    let number = if_nametoindex("lo")
    let address = try #require(SocketAddress("[fe80::7%\(number)]:631"))
    #expect(address.scope == number && address.port == 631 && address.description == "[fe80::7%lo]:631")
    #expect(address == SocketAddress("[fe80::7%lo]:631") && address != SocketAddress("[fe80::7]:631"))
    #expect(SocketAddress(hostText: "fe80::7%lo", port: 631) == address)
  }

  @Test(
    "what is no zone makes no address",
    arguments: [
      "fe80::1%", "fe80::1%no-such-interface", "fe80::1%0", "fe80::1%+1", "fe80::1%4294967296", "192.0.2.1%lo", "[fe80::1]%lo",
      "fe80::1%lo%lo", "fe80::1%lo\0", "192.0.2.1\0",
    ])
  func noZones(_ text: String) { #expect(SocketAddress(text) == nil && SocketAddress(hostText: text) == nil) }

  @Test("text of an address alone has neither brackets nor a port", arguments: ["[::1]", "192.0.2.1:80", "[::1]:80", ""])
  func hostText(_ text: String) { #expect(SocketAddress(hostText: text) == nil) }

  @Test(
    "addresses of IPv4 in those of IPv6 are unmapped, and no others",
    arguments: [
      ("::ffff:192.0.2.1", "192.0.2.1"), ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"), ("::192.0.2.1", "192.0.2.1"),
      ("::ffff:0.0.0.0", "0.0.0.0"), ("::ffff:0.0.0.1", "0.0.0.1"), ("::2", "0.0.0.2"), ("::", "::"), ("::1", "::1"),
      ("[::1]:7", "[::1]:7"), ("192.0.2.1:9", "192.0.2.1:9"), ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"),
      ("::ffff:0:192.0.2.1", "::ffff:0:c000:201"), ("::1:0:192.0.2.1", "::1:0:c000:201"), ("fe80::2%lo", "fe80::2%lo"),
    ])
  func unmapping(_ text: String, _ expected: String) { #expect(SocketAddress(text)?.unmapped.description == expected) }

  @Test("what is no address of the Internet stays as it is")
  func others() {
    for bytes in [[], [1], [10, 0], [UInt8](repeating: 10, count: 12)] {
      #expect(SocketAddress(bytes: bytes).unmapped.bytes == bytes)
    }
  }
}
