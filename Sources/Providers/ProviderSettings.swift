/// What the configuration says of one provider, over what its manifest says.
public struct ProviderSettings: Sendable, Hashable {
  public var isEnabled: Bool?
  /// Providers with a smaller number are asked first.
  public var order: Int?
  /// How long one call may take before the client is answered without it.
  public var deadline: Duration?
  /// How many of its routines run at a time.
  public var concurrency: Int?
  public var access: AccessList?
  public var isolation: Manifest.Isolation?
  /// Its routines may keep a thread.
  public var isBlocking: Bool?
  /// In a process of its own: how long a routine may take before that is killed.
  public var grace: Duration?
  public var confinement = Confinement()
  /// Who may serve it from a process of theirs.
  public var advertisers: AccessList?
  /// Whether one that somebody trusted advertises serves all users.
  public var servesEverybody: Bool?
  /// Who may register what with it for everybody.
  public var registrars: [RegistrarRule]?
  /// What is registered with it counts for everybody.
  public var isShared: Bool?
  /// The provider's own: each name goes before the same one of the manifest.
  public var own: Manifest.Settings = [:]

  public init() {}

  func apply(to manifest: inout Manifest) {
    manifest.isEnabled = isEnabled ?? manifest.isEnabled
    manifest.order = order ?? manifest.order
    manifest.deadline = deadline ?? manifest.deadline
    manifest.concurrency = concurrency ?? manifest.concurrency
    manifest.access = access ?? manifest.access
    manifest.isolation = isolation ?? manifest.isolation
    manifest.isBlocking = isBlocking ?? manifest.isBlocking
    manifest.grace = grace ?? manifest.grace
    manifest.confinement.apply(confinement)
    manifest.advertisers = advertisers ?? manifest.advertisers
    manifest.servesEverybody = servesEverybody ?? manifest.servesEverybody
    manifest.registrars = registrars ?? manifest.registrars
    manifest.isShared = isShared ?? manifest.isShared
    manifest.settings.merge(own) { _, given in given }
  }
}

/// Settings on their way to a provider's process: how many bytes, then each name and its texts, each with a NUL, and one more behind the last.
public enum SettingsOnTheWay {
  public static func bytes(_ settings: Manifest.Settings) -> [UInt8] {
    var body: [UInt8] = []
    for (name, texts) in settings.sorted(by: { $0.key < $1.key }) {
      for text in [name] + texts { body += Array(text.utf8) + [0] }
      body.append(0)
    }
    return withUnsafeBytes(of: UInt32(body.count)) { Array($0) } + body
  }

  /// From what stands behind the number.
  public static func settings(_ body: some Collection<UInt8>) -> Manifest.Settings {
    var settings: Manifest.Settings = [:]
    var name: String?
    for text in body.split(separator: 0, omittingEmptySubsequences: false).map({ String(decoding: $0, as: UTF8.self) }) {
      if let known = name {
        // No text is empty.
        if text.isEmpty { name = nil } else { settings[known]?.append(text) }
      } else if !text.isEmpty {
        settings[text] = []
        name = text
      }
    }
    return settings
  }
}

/// Settings by the name or the id of the provider; those by name count where there are both.
public struct SettingsByProvider: Sendable, Hashable {
  public var settings: [String: ProviderSettings] = [:]

  public init() {}

  public subscript(manifest: Manifest) -> ProviderSettings? {
    settings[manifest.displayName] ?? settings[manifest.id.description]
  }

  public func apply(to manifest: inout Manifest) { self[manifest]?.apply(to: &manifest) }
}
