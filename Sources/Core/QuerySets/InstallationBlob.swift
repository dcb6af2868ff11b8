import CWinsock

/// The installation data of an e-mail provider: which domains it serves, and at which level (nsp.md §13.1).
public struct InstallationBlob: Hashable, Sendable {
  public enum Level: UInt32, Sendable, CaseIterable {
    case none = 0
    case secondary = 1
    case primary = 2
  }

  public struct Domain: Hashable, Sendable {
    public var name: String
    public var level: Level

    public init(name: String, level: Level) {
      self.name = name
      self.level = level
    }
  }

  public var version: UInt32
  /// 1 application, 2 service.
  public var providerType: UInt32
  public var supportsWildcard: Bool
  public var domains: [Domain]

  private static let headSize = 20
  private static let descriptionSize = 16

  /// Reads a blob; every offset is checked against its size.
  public init(parsing bytes: [UInt8]) throws(QuerySetError) {
    guard bytes.count >= Self.headSize else { throw .structureTooSmall(UInt32(clamping: bytes.count)) }
    guard bytes.count <= 64 * 1024 else { throw .tooLong("the installation blob", 64 * 1024) }
    func word(_ offset: Int) -> UInt32 { bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) } }
    version = word(0)
    guard word(4) <= 2 else { throw .malformedText("dwProviderType") }
    providerType = max(word(4), 1)
    supportsWildcard = word(8) != 0
    domains = []
    var next = word(16)
    for _ in 0..<word(12) {
      guard next & 3 == 0 else { throw .misaligned("the domain description") }
      let (end, overflows) = Int(next).addingReportingOverflow(Self.descriptionSize)
      guard !overflows, end <= bytes.count else { throw .pointerOutside("OffsetNextDomainDescription") }
      let start = Int(next)
      guard let level = Level(rawValue: word(start)) else { throw .malformedText("AuthLevel") }
      let (units, offset) = (Int(word(start + 4)), Int(word(start + 12)))
      guard offset & 1 == 0 else { throw .misaligned("OffsetThisDomainName") }
      guard units > 0, offset + units * 2 <= bytes.count else { throw .pointerOutside("OffsetThisDomainName") }
      let name = bytes.withUnsafeBytes { raw in
        (0..<units).map { raw.loadUnaligned(fromByteOffset: offset + $0 * 2, as: UInt16.self) }
      }
      guard let text = String(validating: name, as: UTF16.self), !text.utf8.contains(0) else {
        throw .malformedText("the domain name")
      }
      domains.append(Domain(name: text, level: level))
      next = word(start + 8)
    }
  }
}
