/// What the configuration says of one provider, over what its manifest says.
public struct ProviderSettings: Sendable {
  private let change: @Sendable (inout Manifest) -> Void

  /// - Parameter change: What it makes of a manifest.
  public init(_ change: @escaping @Sendable (inout Manifest) -> Void = { _ in }) { self.change = change }

  func apply(to manifest: inout Manifest) { change(&manifest) }

  /// The provider's own settings, without those of its manifest.
  public var own: Manifest.Settings {
    var blank = Manifest(fileName: "")
    apply(to: &blank)
    return blank.settings
  }
}

/// Settings by the name or the id of the provider; those by name count where there are both.
public struct SettingsByProvider: Sendable {
  public var settings: [String: ProviderSettings] = [:]

  public init() {}

  public subscript(manifest: Manifest) -> ProviderSettings? {
    settings[manifest.displayName] ?? settings[manifest.id.description]
  }

  public func apply(to manifest: inout Manifest) { self[manifest]?.apply(to: &manifest) }
}
