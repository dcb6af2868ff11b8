import CWinsock

/// `NSP_DNS_BLOB` (nspdns.h): of what DNS record a record was made, and how long it may be kept.
public struct DNSBlob: Sendable {
  /// As in the service classes of DNS records: 1 for A, 15 for MX.
  public var type: UInt16
  /// Seconds.
  public var timeToLive: UInt32
  /// Of SRV; of MX its preference.
  public var priority: UInt16 = 0
  /// Of SRV, as the port.
  public var weight: UInt16 = 0
  public var port: UInt16 = 0
  /// The RDATA; empty for what was made from several records.
  public var data: [UInt8] = []

  public init(type: UInt16, timeToLive: UInt32) { (self.type, self.timeToLive) = (type, timeToLive) }

  /// From a record's blob; nil for one of another kind.
  public init?(_ bytes: [UInt8]) {
    let head = MemoryLayout<NSP_DNS_BLOB>.offset(of: \.abData)!
    guard bytes.count >= head else { return nil }
    var blob = NSP_DNS_BLOB()
    withUnsafeMutableBytes(of: &blob) { $0.copyBytes(from: bytes[..<head]) }
    guard blob.dwMagic == DWORD(NSP_DNS_MAGIC), Int(blob.cbData) <= bytes.count - head else { return nil }
    self.init(type: blob.wType, timeToLive: blob.dwTtl)
    (priority, weight, port) = (blob.wPriority, blob.wWeight, blob.wPort)
    data = Array(bytes[head...].prefix(Int(blob.cbData)))
  }

  public var bytes: [UInt8] {
    var blob = NSP_DNS_BLOB()
    (blob.dwMagic, blob.dwTtl, blob.wType) = (DWORD(NSP_DNS_MAGIC), timeToLive, type)
    (blob.wPriority, blob.wWeight, blob.wPort, blob.cbData) = (priority, weight, port, DWORD(data.count))
    // The data takes the place of the structure's own last bytes.
    return withUnsafeBytes(of: blob) { Array($0.prefix(MemoryLayout<NSP_DNS_BLOB>.offset(of: \.abData)!)) } + data
  }
}
