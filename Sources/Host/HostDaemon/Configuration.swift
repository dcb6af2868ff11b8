import BoundedTOML
import Hosting
import Providers
import Sessions
import SettingsTable
import TOMLKit

/// `nsphost.toml`: what a host that serves others is told. Every value has a source, so that it can be said where it comes from.
public struct Configuration: Sendable {
  /// One value as people read it, and where it comes from.
  public struct Entry: Sendable, Equatable {
    public var key: String
    public var value: String
    public var source: String

    public init(key: String, value: String, source: String) { (self.key, self.value, self.source) = (key, value, source) }
  }

  public var plugins: [String]?
  public var socket: String?
  /// Where the host keeps what outlives it.
  public var state: String?
  public var log = LogLevel.info
  /// Where providers run that do not say it themselves.
  public var isolation = Manifest.Isolation.worker
  public var limits = HostLimits()
  /// Who may have a session, besides root and the host's own user; nil: everybody.
  public var access: AccessList?
  /// From which network namespaces glibc's module is answered; nil: nobody has said it.
  public var networkNamespaces: NetworkNamespaces?
  /// Who may install and remove service classes, besides root and the host's own user; nil: nobody.
  public var classWriters: AccessList?
  public var providers = SettingsByProvider()
  public var entries: [Entry] { noted.values.sorted { $0.key < $1.key } }
  private var noted: [String: Entry] = [:]

  /// Without a file: everything is as it is by default.
  public init() {
    for setting in Self.table.settings { if let text = setting.standard(self) { note(setting.key, text, "default") } }
  }

  /// Reads a file's text. Throws all that is wrong with it.
  public init(toml text: String, path: String) throws(Problems) {
    let (configuration, problems) = Self.read(text, path: path)
    guard problems.isEmpty else { throw Problems(problems) }
    self = configuration
  }

  /// What of a file's text can be used, and what can't.
  /// - Parameter manifests: Of the providers whose own settings are to be checked.
  public static func read(
    _ text: String, path: String, of manifests: [Manifest] = []
  ) -> (configuration: Configuration, problems: [Problem]) {
    var configuration = Configuration()
    let table: TOMLTable
    do throws(Problem) { table = try BoundedTOML.table(text, path: path) } catch { return (configuration, [error]) }
    var findings = Findings()
    for given in Self.table.read(table, as: .host, &findings) {
      given.change(&configuration)
      configuration.note(given.shown, path)
    }
    if let value = table["providers"] { configuration.take(providers: value, path, of: manifests, &findings) }
    return (configuration, findings.problems(in: text, path: path))
  }

  private mutating func take(
    providers value: any TOMLValueConvertible, _ path: String, of manifests: [Manifest], _ findings: inout Findings
  ) {
    func table(_ value: any TOMLValueConvertible, _ place: String, _ kind: String) -> TOMLTable? {
      let written = WrittenValue(value, key: place, place: place, help: "begin each provider with [providers.NAME]")
      if value.table == nil { findings.refuse(written, as: kind) }
      return value.table
    }
    guard let all = table(value, "providers", "tables, one a provider") else { return }
    for name in all.keys.sorted() {
      let place = TOMLPositions.place(name, in: "providers")
      guard let value = all[name], let own = table(value, place, "a table") else { continue }
      let given = Manifest.table.read(own, at: place, as: .provider, &findings)
      for one in given { note(one.shown, path) }
      let changes = given.map(\.change)
      let settings = ProviderSettings { manifest in for change in changes { change(&manifest) } }
      providers.settings[name] = settings
      let manifest = manifests.first { $0.displayName == name } ?? manifests.first { $0.id.description == name }
      manifest?.check(settings.own, at: TOMLPositions.place("settings", in: place), &findings)
    }
  }

  private mutating func note(_ key: String, _ text: String, _ source: String) {
    noted[key] = Entry(key: key, value: text, source: source)
  }

  private mutating func note(_ shown: [(place: String, value: String)], _ path: String) {
    for (key, text) in shown { note(key, text, path) }
  }

  /// Whether a client may have a session.
  public func admits(_ client: ClientIdentity) -> Bool {
    guard let access else { return true }
    return client.isOperator || access.admits(user: client.userID, group: client.groupID)
  }
}
