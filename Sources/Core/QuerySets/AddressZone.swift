import Glibc

/// The zone of an address of IPv6 that is unique on one link only (RFC 4007, 11): an interface, by its name or its number.
public enum AddressZone {
  /// The interface's number. Nil where there is no interface of that name, and for what is neither a name nor a number.
  public static func number(_ zone: some StringProtocol) -> UInt32? {
    let name = Array(zone.utf8)
    guard !name.isEmpty, !name.contains(0) else { return nil }
    if name.count < nameSize, let found = ask(number: name) { return found }
    guard name.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let number = UInt32(zone) else { return nil }
    return number == 0 ? nil : number
  }

  /// The interface's name, or its number where no interface of this machine has it.
  public static func text(_ number: UInt32) -> String { ask(name: number) ?? String(number) }

  // MARK: The kernel

  // `struct ifreq`: a name of 16 bytes, then a union of 24, the number first.
  private static let nameSize = Int(IFNAMSIZ)
  private static let requestSize = 40
  private static let getIndex: UInt = 0x8933
  private static let getName: UInt = 0x8910

  private static func ask(number name: [UInt8]) -> UInt32? {
    ask(getIndex) {
      $0.copyBytes(from: name)
    } read: {
      UInt32(exactly: $0.loadUnaligned(fromByteOffset: nameSize, as: Int32.self)).flatMap { $0 == 0 ? nil : $0 }
    }
  }

  private static func ask(name number: UInt32) -> String? {
    guard let number = Int32(exactly: number) else { return nil }
    return ask(getName) {
      $0.storeBytes(of: number, toByteOffset: nameSize, as: Int32.self)
    } read: {
      String(validating: $0.prefix(nameSize).prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// Not `if_nametoindex`: that takes a socket which a process that may not connect to anything is refused. A pair reaches nobody.
  private static func ask<Answer>(
    _ request: UInt, write: (UnsafeMutableRawBufferPointer) -> Void, read: (UnsafeRawBufferPointer) -> Answer?
  ) -> Answer? {
    var sockets: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &sockets) == 0 else { return nil }
    defer { for socket in sockets { close(socket) } }
    return withUnsafeTemporaryAllocation(byteCount: requestSize, alignment: 8) { buffer in
      buffer.initializeMemory(as: UInt8.self, repeating: 0)
      write(buffer)
      return ioctl(sockets[0], request, buffer.baseAddress!) == 0 ? read(UnsafeRawBufferPointer(buffer)) : nil
    }
  }
}
