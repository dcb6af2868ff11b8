/// A status of connection-oriented NDIS, with its name (condis.md §2.1). Success is `.success` and nothing else: some others are
/// positive numbers too.
public struct NDISStatus: Error, RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: Int32

  public init(rawValue: Int32) { self.rawValue = rawValue }

  private init(bits: UInt32) { rawValue = Int32(bitPattern: bits) }

  public static let success = NDISStatus(bits: 0)
  public static let pending = NDISStatus(bits: 0x0000_0103)
  public static let notAccepted = NDISStatus(bits: 0x0001_0003)
  public static let mediaDisconnect = NDISStatus(bits: 0x4001_000C)
  public static let hardwareLineDown = NDISStatus(bits: 0x4001_000E)
  public static let failure = NDISStatus(bits: 0xC000_0001)
  public static let invalidParameter = NDISStatus(bits: 0xC000_000D)
  public static let resources = NDISStatus(bits: 0xC000_009A)
  public static let notSupported = NDISStatus(bits: 0xC000_00BB)
  public static let networkUnreachable = NDISStatus(bits: 0xC000_023C)
  public static let closing = NDISStatus(bits: 0xC001_0002)
  public static let requestAborted = NDISStatus(bits: 0xC001_000C)
  public static let invalidData = NDISStatus(bits: 0xC001_0015)
  public static let adapterRemoved = NDISStatus(bits: 0xC001_0018)
  public static let invalidSAP = NDISStatus(bits: 0xC001_0020)
  public static let vcNotActivated = NDISStatus(bits: 0xC001_0023)
  public static let incompatibleQoS = NDISStatus(bits: 0xC001_0027)

  public var description: String { Self.names[self] ?? "0x" + String(UInt32(bitPattern: rawValue), radix: 16, uppercase: true) }

  private static let names: [NDISStatus: String] = [
    .success: "NDIS_STATUS_SUCCESS", .pending: "NDIS_STATUS_PENDING", .notAccepted: "NDIS_STATUS_NOT_ACCEPTED",
    .mediaDisconnect: "NDIS_STATUS_MEDIA_DISCONNECT", .hardwareLineDown: "NDIS_STATUS_HARDWARE_LINE_DOWN",
    .failure: "NDIS_STATUS_FAILURE", .invalidParameter: "NDIS_STATUS_INVALID_PARAMETER", .resources: "NDIS_STATUS_RESOURCES",
    .notSupported: "NDIS_STATUS_NOT_SUPPORTED", .networkUnreachable: "NDIS_STATUS_NETWORK_UNREACHABLE",
    .closing: "NDIS_STATUS_CLOSING", .requestAborted: "NDIS_STATUS_REQUEST_ABORTED", .invalidData: "NDIS_STATUS_INVALID_DATA",
    .adapterRemoved: "NDIS_STATUS_ADAPTER_REMOVED", .invalidSAP: "NDIS_STATUS_INVALID_SAP",
    .vcNotActivated: "NDIS_STATUS_VC_NOT_ACTIVATED", .incompatibleQoS: "NDIS_STATUS_INCOMPATABLE_QOS",
  ]
}
