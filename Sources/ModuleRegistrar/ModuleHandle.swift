import CWinsock

/// What names a registration or a binding to foreign code: never a pointer, and never used again in the life of the process
/// (nmr.md §6). Bits 0…2 are the kind, 3…47 a serial number, 48…62 the registrar.
public struct ModuleHandle: RawRepresentable, Hashable, Sendable {
  enum Kind: UInt64 {
    case client = 1
    case provider = 2
    case binding = 3
  }

  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public init(_ handle: HANDLE?) { rawValue = UInt64(UInt(bitPattern: handle)) }

  init(kind: Kind, serial: UInt64, registrar: UInt64) { rawValue = registrar << 48 | serial << 3 | kind.rawValue }

  static let none = ModuleHandle(rawValue: 0)
  static let maximumSerial: UInt64 = 1 << 45 - 1

  /// The handle as the C ABI knows it.
  public var handle: HANDLE? { HANDLE(bitPattern: UInt(rawValue)) }

  var kind: Kind? { Kind(rawValue: rawValue & 7) }
  var serial: UInt64 { rawValue >> 3 & Self.maximumSerial }
  var registrar: UInt64 { rawValue >> 48 }
}
