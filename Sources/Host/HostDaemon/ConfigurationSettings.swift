import Hosting
import Providers
import SettingsTable

extension Configuration {
  /// What `nsphost.toml` says of the host itself; `Manifest.table` has what it says of providers.
  public static let table = SettingsTable<Configuration>(besides: ["providers"]) {
    Setting(
      "plugins", .list(of: .path, "absolute paths", separator: ":"), \.plugins, in: .host,
      help: "where the host looks for providers")
    Setting("socket", .path, \.socket, in: .host, help: "where the host listens; clients do not read this file")
    Setting("state", .path, \.state, in: .host, help: "the folder for what outlives the host")
    Setting("log", .log, \.log, in: .host, help: "what is said on standard error: this level and those above it")
    Setting("isolation", .isolation, \.isolation, in: .host, help: "where providers run that do not say it themselves")
    Setting.users("access.users", \.access, in: .host, help: "who may have a session; without it everybody")
    Setting.groups("access.groups", \.access, in: .host, help: "which groups may have sessions")
    Setting(
      "access.network-namespaces", .networks, \.networkNamespaces, in: .host,
      help: "from which network namespaces glibc's module is answered", standard: NetworkNamespaces.own.rawValue)
    Setting.users("classes.writers", \.classWriters, in: .host, help: "who may install and remove service classes")
    Setting.groups(
      "classes.writer-groups", \.classWriters, in: .host, help: "which groups may install and remove service classes")
    Setting(
      "lookups.owners", .choice(["trusted": false, "all": true]), \.limits.countsAllOwners, in: .host,
      help: "whose registrations WSALookupService counts")
    Setting(
      "nss.budget-ms", .number(50...120_000), \.limits.resolveBudget, in: .host,
      help: "how long glibc's module waits for one name")
    Setting(
      "limits.frame-bytes", .number(4096...(1 << 26)), \.limits.maximumFrame, in: .host, help: "the largest message of a client")
    Setting(
      "limits.requests-per-connection", .number(1...4096), \.limits.requestsPerClient, in: .host,
      help: "requests served at once; more wait in the socket")
    Setting(
      "limits.bytes-queued", .number(4096...(1 << 30)), \.limits.bytesQueued, in: .host,
      help: "answers that a client has not read yet; beyond it the client is closed")
    Setting(
      "limits.lookups-per-process", .number(1...(1 << 20)), \.limits.lookupsPerClient, in: .host,
      help: "open lookups of one process")
    Setting("limits.connections", .number(1...(1 << 20)), \.limits.connections, in: .host, help: "connections of all clients")
    Setting(
      "limits.connections-per-user", .number(1...(1 << 20)), \.limits.connectionsPerUser, in: .host,
      help: "connections of all processes of a user")
    Setting(
      "limits.sessions-per-user", .number(1...(1 << 20)), \.limits.sessionsPerUser, in: .host,
      help: "processes of a user that are clients")
    Setting(
      "limits.lookups-per-user", .number(1...(1 << 24)), \.limits.lookupsPerUser, in: .host, help: "open lookups of a user")
    Setting(
      "limits.registrations-per-user", .number(1...(1 << 24)), \.limits.registrationsPerUser, in: .host,
      help: "names that processes of a user have registered and not taken back")
    Setting(
      "limits.bytes-per-user", .number(65536...(1 << 40)), \.limits.bytesPerUser, in: .host,
      help: "bytes of requests not served yet and answers not read yet")
    Setting(
      "limits.requests-per-user", .number(1...4096), \.limits.requestsPerUser, in: .host,
      help: "requests of a user that wait for providers")
    Setting(
      "limits.hello-ms", .number(50...86_400_000), \.limits.helloTime, in: .host,
      help: "how long a connection may be there without a hello")
    Setting(
      "limits.reserve", .number(4...4096), \.limits.reserve, in: .host,
      help: "connections and requests that only root and the host's own user get")
  }
}

extension SettingKind<LogLevel> {
  fileprivate static var log: SettingKind { .choice(["debug": .debug, "info": .info, "warning": .warning, "error": .error]) }
}

extension SettingKind<NetworkNamespaces> {
  fileprivate static var networks: SettingKind { .choice(["own": .own, "all": .all]) }
}
