import CWinsock

/// The status code of a module or of the registrar, with its name (nmr.md §5). Negative means failure.
public struct NTStatus: Error, RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: NTSTATUS

  public init(rawValue: NTSTATUS) { self.rawValue = rawValue }

  private init(bits: UInt32) { rawValue = NTSTATUS(bitPattern: bits) }

  public static let success = NTStatus(bits: 0)
  public static let pending = NTStatus(bits: 0x0000_0103)
  public static let unsuccessful = NTStatus(bits: 0xC000_0001)
  public static let invalidHandle = NTStatus(bits: 0xC000_0008)
  public static let invalidParameter = NTStatus(bits: 0xC000_000D)
  public static let noMemory = NTStatus(bits: 0xC000_0017)
  public static let accessDenied = NTStatus(bits: 0xC000_0022)
  public static let insufficientResources = NTStatus(bits: 0xC000_009A)
  public static let notSupported = NTStatus(bits: 0xC000_00BB)
  public static let invalidDeviceState = NTStatus(bits: 0xC000_0184)
  public static let possibleDeadlock = NTStatus(bits: 0xC000_0194)
  public static let noInterface = NTStatus(bits: 0xC000_02B9)

  public var isSuccess: Bool { rawValue >= 0 }

  public var description: String { Self.names[self] ?? "0x" + String(UInt32(bitPattern: rawValue), radix: 16, uppercase: true) }

  private static let names: [NTStatus: String] = [
    .success: "STATUS_SUCCESS", .pending: "STATUS_PENDING", .unsuccessful: "STATUS_UNSUCCESSFUL",
    .invalidHandle: "STATUS_INVALID_HANDLE", .invalidParameter: "STATUS_INVALID_PARAMETER", .noMemory: "STATUS_NO_MEMORY",
    .accessDenied: "STATUS_ACCESS_DENIED", .insufficientResources: "STATUS_INSUFFICIENT_RESOURCES",
    .notSupported: "STATUS_NOT_SUPPORTED", .invalidDeviceState: "STATUS_INVALID_DEVICE_STATE",
    .possibleDeadlock: "STATUS_POSSIBLE_DEADLOCK", .noInterface: "STATUS_NOINTERFACE",
  ]
}
