import CUUID
import CWinsock
import QuerySets

/// What a provider says of itself: inside its file (`NSP_PROVIDER` in nsphost.h), in a sidecar `NAME.toml`, or not at all.
public struct Manifest: Hashable, Sendable {
  public enum Isolation: String, Sendable {
    case inProcess = "in-process"
    case worker
  }

  public enum Source: Hashable, Sendable, CustomStringConvertible {
    case elfNote
    case sidecar(String)
    case fileName
    /// A module that registered itself said so.
    case registration
    /// It was installed by its id.
    case installation
    /// The host itself provides it.
    case builtIn

    public var description: String {
      switch self {
      case .elfNote: "inside the file"
      case .sidecar(let path): path
      case .registration: "given at registration"
      case .installation: "given at installation"
      case .builtIn: "part of the host"
      case .fileName: "none: the id is made from the file name"
      }
    }
  }

  /// Each a list of texts by its name; a value that is not a list is one text.
  public typealias Settings = [String: [String]]

  public var id: GUID
  public var displayName: String
  public var nameSpaces: ServedNameSpaces
  public var version: UInt32
  public var domains: [InstallationBlob.Domain]
  /// Whether an e-mail provider answers for domains that nobody claims.
  public var servesAnyDomain: Bool
  /// Nil: as the host decides.
  public var isolation: Isolation?
  /// Of a process of its own.
  public var confinement = Confinement()
  /// Accept the provider without Begin, NextEx or End.
  public var allowsPartial: Bool
  /// Its routines may keep a thread: they are called on threads of the host's own.
  public var isBlocking: Bool
  /// It exports nothing and calls `WSAAdvertiseProvider` itself.
  public var advertises: Bool
  /// It keeps whole service classes, for all name spaces: it is asked for the class of each query (nsp.md §7.3).
  public var storesClasses: Bool
  /// It lists what is registered with it (`NSP_REGISTRATIONS` in nsphost.h).
  public var listsRegistrations = false
  /// It knows whose registrations are whose, and which count for whom (`NSP_KEEPS_OWNERS` in nsphost.h).
  public var keepsOwners = false
  /// The names that it serves are reserved: root and the host's own user alone may register them, with whatever provider.
  public var reservesNames = false
  /// Who may register what with it for everybody, besides root and the host's own user; nil: nothing is said of it.
  public var registrars: [RegistrarRule]?
  /// What is registered with it counts for everybody, whoever made it.
  public var isShared = false
  /// Providers with a smaller one are asked first.
  public var order = 0
  /// So many routines at a time (nsp.md T5); nil: no bound.
  public var concurrency: Int?
  /// End waits until the NextEx of its handle has returned.
  public var endsWait = false
  /// Whose queries and registrations it gets; nil: everybody's.
  public var access: AccessList?
  public var isEnabled: Bool
  public var deadline: Duration?
  /// In a process of its own: how long a routine may take before that is killed.
  public var grace: Duration?
  /// Who may serve it from a process of theirs, besides root and the host's own user; nil: everybody, for their own programs.
  public var advertisers: AccessList?
  /// Whether one that somebody trusted advertises serves all users; nil: as it was installed.
  public var servesEverybody: Bool?
  /// The provider's own, which the host only passes on (`NSPHostSetting`).
  public var settings: Settings = [:]
  /// Which of these it has, each with its kind; nil: nothing is said of it.
  public var accepts: [String: OwnSettingKind]?
  public var source: Source

  public init(
    id: GUID, displayName: String, nameSpace: NameSpace, version: UInt32 = 1, domains: [InstallationBlob.Domain] = [],
    servesAnyDomain: Bool = false, isolation: Isolation? = nil, allowsPartial: Bool = false, isBlocking: Bool = false,
    advertises: Bool = false, serialises: Bool = false, storesClasses: Bool = false, isEnabled: Bool = true,
    deadline: Duration? = nil,
    source: Source = .fileName
  ) {
    self.id = id
    self.displayName = displayName
    nameSpaces = ServedNameSpaces(nameSpace)
    self.version = version
    self.domains = domains
    self.servesAnyDomain = servesAnyDomain
    self.isolation = isolation
    self.allowsPartial = allowsPartial
    self.isBlocking = isBlocking
    self.advertises = advertises
    concurrency = serialises ? 1 : nil
    self.storesClasses = storesClasses
    self.isEnabled = isEnabled
    self.deadline = deadline
    self.source = source
  }

  /// The first of its name spaces, or the only one; to set it leaves it that one alone.
  public var nameSpace: NameSpace {
    get { nameSpaces.primary }
    set { nameSpaces = ServedNameSpaces(newValue) }
  }

  /// What is wrong with a manifest: what, why, what to do.
  public struct Defect: Error, Equatable, Sendable {
    public let detail: String
    public let remedy: String
  }

  /// For a file without a manifest: a version-5 UUID of its name, and every name space. Nobody says that its routines return at once, so
  /// they are not relied on to.
  public init(fileName: String) {
    let name = fileName.hasSuffix(".so") ? String(fileName.dropLast(3)) : fileName
    self.init(id: Self.uuid(ofName: fileName), displayName: name.isEmpty ? fileName : name, nameSpace: .all, isBlocking: true)
  }

  /// The UUID that stands for nsphost's file names, itself made once and for all.
  private static let fileNames = GUID("5f0a6a0e-2d53-4d0c-8a51-6c1c6b7f3d11")!

  static func uuid(ofName name: String) -> GUID {
    var result = [UInt8](repeating: 0, count: 16)
    let space = fileNames.bytes
    var name = name
    name.withUTF8 { text in
      text.withMemoryRebound(to: CChar.self) { characters in
        uuid_generate_sha1(&result, space, characters.baseAddress, text.count)
      }
    }
    return GUID(bytes: result)!
  }

  /// From the payload of an ELF note: format, id, name space, version, flags, then two texts, each ended by a NUL.
  init(note: [UInt8]) throws(Defect) {
    let damaged = Defect(
      detail: "the manifest inside the file is damaged", remedy: "build the file again with NSP_PROVIDER of nsphost.h")
    guard note.count > 32 else { throw damaged }
    func word(_ offset: Int) -> UInt32 { note.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) } }
    guard word(0) == 1 else {
      throw Defect(
        detail: "the manifest inside the file has format \(word(0)), this host knows 1", remedy: "use a newer nsphost")
    }
    let id = note.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 4, as: GUID.self) }
    let texts = note[32...].split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
    guard texts.count >= 2, let name = String(validating: texts[0], as: UTF8.self),
      let domains = String(validating: texts[1], as: UTF8.self), !name.isEmpty
    else { throw damaged }
    try self.init(
      id: id, displayName: name, nameSpace: NameSpace(rawValue: word(20)), version: word(24), flags: word(28), domains: domains,
      source: .elfNote)
  }

  /// From the values of `NSP_PROVIDER`, or of an `NSPV2_CHARACTERISTICS` (nsphost.h).
  public init(
    id: GUID, displayName: String, nameSpace: NameSpace, version: UInt32, flags: UInt32, domains: String, source: Source
  ) throws(Defect) {
    guard flags & ~0xFF == 0 else {
      throw Defect(detail: "the manifest of \(displayName) has unknown flags", remedy: "use a newer nsphost")
    }
    self.init(
      id: id, displayName: displayName, nameSpace: nameSpace, version: version,
      isolation: flags & 2 != 0 ? .worker : nil, allowsPartial: flags & 1 != 0, isBlocking: flags & 4 != 0,
      advertises: flags & 8 != 0, serialises: flags & 16 != 0, storesClasses: flags & 32 != 0, source: source)
    listsRegistrations = flags & 64 != 0
    keepsOwners = flags & 128 != 0
    for domain in domains.split(separator: ";") {
      guard let claim = DomainClaim(String(domain)) else {
        throw Defect(
          detail: "domain \"\(domain)\" is not understood",
          remedy: "write it as \"example.org=primary\", \"…=secondary\" or \"*\"")
      }
      add(claim)
    }
  }

  /// The flags of `NSP_PROVIDER`.
  public var flags: UInt32 {
    (allowsPartial ? 1 : 0) | (isolation == .worker ? 2 : 0) | (isBlocking ? 4 : 0) | (advertises ? 8 : 0)
      | (concurrency == 1 ? 16 : 0) | (storesClasses ? 32 : 0) | (listsRegistrations ? 64 : 0)
      | (keepsOwners ? 128 : 0)
  }

  /// The domains as in `NSP_PROVIDER`.
  public var domainText: String {
    (domains.map { "\($0.name)=\($0.level)" } + (servesAnyDomain ? ["*"] : [])).joined(separator: ";")
  }

  /// `example.org=primary`, `example.org=secondary`, or `*` for any domain that nobody claims.
  enum DomainClaim: Hashable, Sendable {
    case any
    case one(InstallationBlob.Domain)

    init?(_ text: String) {
      let parts = text.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
      let levels = ["primary": InstallationBlob.Level.primary, "secondary": .secondary, "none": .none]
      if text == "*" {
        self = .any
      } else if parts.count == 2, !parts[0].isEmpty, let level = levels[parts[1]] {
        self = .one(InstallationBlob.Domain(name: parts[0], level: level))
      } else {
        return nil
      }
    }
  }

  mutating func add(_ claim: DomainClaim) {
    switch claim {
    case .any: servesAnyDomain = true
    case .one(let domain): domains.append(domain)
    }
  }
}
