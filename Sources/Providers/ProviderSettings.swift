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
    manifest.settings.merge(own) { _, given in given }
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
