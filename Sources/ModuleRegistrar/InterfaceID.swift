import CWinsock

/// Which network programming interface: 16 bytes, equal or not (nmr.md §8.1).
public struct InterfaceID: Hashable, Sendable {
  private let bytes: (UInt64, UInt64)

  public init(_ id: NPIID) { bytes = unsafeBitCast(id, to: (UInt64, UInt64).self) }

  public var npiID: NPIID { unsafeBitCast(bytes, to: NPIID.self) }

  public static func == (left: InterfaceID, right: InterfaceID) -> Bool { left.bytes == right.bytes }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(bytes.0)
    hasher.combine(bytes.1)
  }
}
