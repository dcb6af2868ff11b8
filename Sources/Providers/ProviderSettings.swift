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
public struct SettingsByProvider: Sendable {
  public var settings: [String: ProviderSettings] = [:]

  public init() {}

  public subscript(manifest: Manifest) -> ProviderSettings? {
    settings[manifest.displayName] ?? settings[manifest.id.description]
  }

  public func apply(to manifest: inout Manifest) { self[manifest]?.apply(to: &manifest) }
}
