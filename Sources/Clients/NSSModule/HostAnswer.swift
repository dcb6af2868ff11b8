import CNSSModule

/// What the host knows of a name (docs/wire.md, resolve), read where it lies. Everything was checked to be inside when it was made.
struct HostAnswer {
  let nameCount: Int
  let addressCount: Int
  /// Seconds; nil where nobody has said how long it may be kept.
  let timeToLive: Int32?
  let port: UInt16
  let protocolNumber: UInt16
  private let addresses: UnsafeRawBufferPointer
  private let names: UnsafeRawBufferPointer

  private static let headSize = 16
  private static let addressSize = 24
  private static let most = 4_096

  init?(_ payload: UnsafeRawBufferPointer) {
    guard payload.count >= Self.headSize else { return nil }
    nameCount = Int(payload.loadUnaligned(as: UInt32.self))
    addressCount = Int(payload.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    let seconds = payload.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
    timeToLive = seconds == .max ? nil : Int32(clamping: seconds)
    port = payload.loadUnaligned(fromByteOffset: 12, as: UInt16.self)
    protocolNumber = payload.loadUnaligned(fromByteOffset: 14, as: UInt16.self)
    guard nameCount > 0, nameCount <= Self.most, addressCount <= Self.most else { return nil }
    let end = Self.headSize + addressCount * Self.addressSize
    guard payload.count >= end else { return nil }
    addresses = UnsafeRawBufferPointer(rebasing: payload[Self.headSize..<end])
    names = UnsafeRawBufferPointer(rebasing: payload[end...])
    var offset = 0
    for _ in 0..<nameCount {
      guard offset + 2 <= names.count else { return nil }
      offset += 2 + Int(names.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      guard offset <= names.count else { return nil }
    }
  }

  struct Address {
    let family: Int32
    let scope: UInt32
    /// 16 bytes, of which IPv4 uses the first four.
    let bytes: UnsafeRawBufferPointer
  }

  func address(_ index: Int) -> Address {
    let start = index * Self.addressSize
    return Address(
      family: addresses.loadUnaligned(fromByteOffset: start, as: Int32.self),
      scope: addresses.loadUnaligned(fromByteOffset: start + 4, as: UInt32.self),
      bytes: UnsafeRawBufferPointer(rebasing: addresses[(start + 8)..<(start + Self.addressSize)]))
  }

  /// Each name in order: the host's own, then the others.
  func forEachName(_ body: (UnsafeRawBufferPointer) -> Void) {
    var offset = 0
    for _ in 0..<nameCount {
      let end = offset + 2 + Int(names.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      body(UnsafeRawBufferPointer(rebasing: names[(offset + 2)..<end]))
      offset = end
    }
  }
}

/// Winsock's codes that the host answers with (nsp.md §12).
enum Code {
  static let tryAgain: Int32 = 11002
  static let noData: Int32 = 11004
  static let hostNotFound: Int32 = 11001

  enum Meaning {
    case notFound
    case noData
    case temporary
    case unavailable
  }

  static func meaning(_ code: Int32) -> Meaning {
    switch code {
    case hostNotFound, 10022, 10108, 10109, 10110, 10102: .notFound
    case noData: .noData
    case tryAgain, 10035, 10050, 10055, 10060, 10103, 10111: .temporary
    default: .unavailable
    }
  }
}
