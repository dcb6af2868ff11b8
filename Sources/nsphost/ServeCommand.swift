import ArgumentParser
import CLastWords
import CLinux
import Foundation
import Glibc
import HostDaemon
import Hosting
import NSPClient
import Providers
import ServiceClasses
import Sessions
import StateBackups

struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve the programs of this machine over a Unix socket.",
    discussion: """
      The socket is --socket, otherwise NSP_SOCKET, otherwise what the configuration says, otherwise \
      $XDG_RUNTIME_DIR/nsphost/socket (not for root), otherwise /run/nsphost/socket. Clients do not read the configuration: where they \
      do not find the socket by themselves, the command says what they must set. With --plugins the host keeps no state but in the \
      folder that STATE_DIRECTORY or the configuration names: what is enabled, disabled or installed lasts until it ends. SIGTERM and \
      SIGINT close every session in order; SIGHUP looks at the plugin directories again. Under systemd it says when it is ready, and \
      takes a socket that it is given.
      """)

  @OptionGroup var options: HostOptions
  @OptionGroup var file: ConfigurationFile

  @Option(
    name: .long,
    help: ArgumentHelp(
      """
      What to say on standard error: this level and those above it. Otherwise what the configuration says, otherwise info. With debug every \
      query is told of, by its id.
      """,
      valueName: "level"))
  var log: LogLevel?

  @Flag(name: .long, help: "Run every provider in a process of its own, whatever is said of it.")
  var isolate = false

  @Flag(
    name: .long,
    help: ArgumentHelp(
      "Serve in a process of its own, and start it again when it ends and nobody has asked for that.",
      discussion: """
        For where no service manager does it. A provider in the host's process that crashes or exits takes the host with it; the last line \
        says which provider it was.
        """))
  var supervise = false

  /// The process that --supervise has started: it goes with the one that watches over it, and keeps its record in this descriptor.
  @Option(name: .long, help: .hidden)
  var supervised: Int32?

  func run() throws {
    let isJSON = options.json
    Output.neverWaits { count in
      isJSON ? Self.line(.warning, Output.lostText(count)) : "warning: " + Output.lostText(count)
    }
    // Who reads the log may go; the host stays.
    signal(SIGPIPE, SIG_IGN)
    if supervise {
      // The socket is this process's: the one that it would start is not told of it.
      guard getenv("LISTEN_PID").map({ atoi($0) == getpid() }) != true else {
        throw CommandFailure(
          kind: .usage, what: "serve", why: "with --supervise the socket of the service manager can't be handed on",
          remedy: "leave out --supervise: the service manager starts the host again")
      }
      let arguments = CommandLine.arguments.dropFirst().filter { $0 != "--supervise" }
      throw ExitCode(try Supervision(Array(arguments)).run())
    }
    if let supervised {
      nsp_end_with_parent()
      _ = nsp_record_use(supervised)
    }
    // However it ends from here on, the host itself has decided it.
    defer { nsp_record_end() }
    nsp_last_words_install()
    nsp_bound_arenas()
    let configuration = try file.load()
    HostLog.open(log ?? configuration.log, raw: { Output.pass($0) }, Self.sink(isJSON: isJSON))
    if configuration.networkNamespaces != .all, !NetworkNamespaces.areKnown {
      let why = "this kernel does not tell the network namespace of a client (SO_NETNS_COOKIE, from Linux 5.14 on)"
      // A rule that somebody has written is kept, or nothing is served.
      guard configuration.networkNamespaces == nil else {
        throw CommandFailure(
          what: "serve", why: "access.network-namespaces = \"own\" can't be kept: \(why)",
          remedy: "write access.network-namespaces = \"all\"")
      }
      HostLog.write(.warning, "glibc's module is answered in every network namespace: \(why)")
    }
    let host = ProviderHost(admits: { configuration.admits($0) })
    let state = configuration.state ?? options.stateDirectory
    let claim: StateClaim?
    do throws(StateFailure) {
      claim = if let state { try StateClaim.share(state, creating: true) } else { nil }
    } catch { throw CommandFailure(what: "serve", why: error.why, remedy: error.remedy) }
    // No restore replaces the folder while the host uses it.
    defer { withExtendedLifetime(claim) {} }
    if let state {
      host.keepChanges(in: CatalogFile(directory: state), environment: ProcessEnvironment.variables)
    } else {
      HostLog.write(
        .info,
        "no state is kept: what is changed lasts until this host ends; STATE_DIRECTORY, or state in the configuration, names a folder"
      )
    }
    host.configure(configuration.providers)
    // From when there is a socket to leave behind.
    let signals = Signals([SIGTERM, SIGINT, SIGHUP])
    let desk = ControlDesk(host: host)
    let server: HostServer
    do throws(ListenFailure) {
      let path = HostPlaces(options.socket, configured: configuration.socket).listener
      server = try HostServer(
        host, path: path, limits: configuration.limits, networks: configuration.networkNamespaces ?? .own, isOpen: false
      ) { desk.reply(to: $0) }
    } catch {
      throw CommandFailure(what: "serve", why: error.why, remedy: error.remedy)
    }
    defer {
      server.stop()
      host.stop()
    }
    host.isolate(
      isolate ? .worker : configuration.isolation, isForced: isolate, in: server.workers)
    HostLog.watchProcess()
    host.prepareProviders()
    let configured = options.directories.isEmpty ? configuration.plugins : nil
    for defect in PluginDirectories.defects(of: configured ?? options.namedDirectories) {
      HostLog.write(.warning, "\(defect.detail): \(defect.remedy)")
    }
    host.load(from: configured ?? options.resolvedDirectories)
    let schema = SchemaProvider(directory: state)
    schema.prepare()
    host.keepClasses(in: schema, writers: configuration.classWriters)
    host.engine.classes.finishChanges()
    if let defect = schema.defect {
      HostLog.write(.warning, "service classes can't be installed: \(defect.detail): \(defect.remedy)")
    }
    // Rather than serve what somebody has disabled.
    if let defect = host.catalogDefect {
      throw CommandFailure(what: "serve", why: defect.detail, remedy: defect.remedy)
    }
    if let state, access(state, F_OK) == 0, access(state + "/.", W_OK) != 0 {
      HostLog.write(.warning, "\(state) is no folder that this host can write: what is changed for good is refused")
    }
    for name in configuration.providers.settings.keys.sorted() where !host.catalog.entries.contains(where: { $0.isNamed(name) }) {
      HostLog.write(.warning, "providers.\(name) of the configuration is about no provider that is there")
    }
    for entry in host.catalog.entries
    where entry.manifest.confinement != Confinement() && entry.provider != nil && entry.hosting == nil {
      HostLog.write(
        .warning, provider: entry.manifest.displayName, "what confines it is not in force: it runs in the host, see isolation")
    }
    for candidate in host.candidates { if case .refused(let refusal) = candidate.state { Self.tell(refusal) } }
    _ = host.watch { changes in
      for path in changes.loaded { HostLog.write(.info, "loaded \(path)".printable) }
      for path in changes.replaced { HostLog.write(.info, "replaced \(path)".printable) }
      for path in changes.removed { HostLog.write(.info, "removed \(path)".printable) }
      for refusal in changes.refused { Self.tell(refusal) }
    }
    ServiceNotice.send("READY=1")
    server.open()
    Output.line("nsphost serves \(Output.count(host.catalog.entries.count, "provider", "providers")) on \(server.path)")
    if !Self.isFoundByClients(server.path) { Output.line("clients must set NSP_SOCKET=\(server.path)") }
    fflush(nil)
    serving: while true {
      switch signals.wait(for: ServiceNotice.heartbeat) {
      case nil: ServiceNotice.send("WATCHDOG=1")
      case SIGHUP?:
        ServiceNotice.send("RELOADING=1")
        host.rescan()
        ServiceNotice.send("READY=1")
      case _?: break serving
      }
    }
    ServiceNotice.send("STOPPING=1")
    Self.boundEnd { server.obstacles + host.obstacles }
  }
}

extension LogLevel: ExpressibleByArgument {
  public init?(argument: String) { self.init(named: argument) }

  // Not by number, as its raw values are.
  public static var allValueStrings: [String] { allCases.map { "\($0)" } }
  public static var allValueDescriptions: [String: String] { [:] }
  public static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
  public var defaultValueDescription: String { "\(self)" }
}

extension ServeCommand {
  /// Whether clients that nobody has told where to look find this socket: by one of their paths, or by another name of the same file.
  private static func isFoundByClients(_ path: String) -> Bool {
    func file(_ path: String) -> (UInt64, UInt64)? {
      var status = stat()
      return stat(path, &status) == 0 ? (UInt64(status.st_dev), UInt64(status.st_ino)) : nil
    }
    guard let own = file(path) else { return false }
    return HostPlaces.unnamed.paths.contains { file($0).map { $0 == own } ?? false }
  }

  /// How long the end of a host takes at most: less than a service manager waits as a rule.
  private static let longestEnd = 30

  /// Says whom an end waits for, and does not wait longer than that.
  private static func boundEnd(_ obstacles: @escaping @Sendable () -> [String]) {
    @Sendable func text() -> String {
      let obstacles = obstacles()
      return obstacles.isEmpty ? "work of its own" : obstacles.joined(separator: "; ")
    }
    HostTimers.after(.seconds(2)) { HostLog.write(.warning, "stopping: waits for \(text())".printable) }
    HostTimers.after(.seconds(longestEnd)) {
      HostLog.write(.error, "stopping: not over after \(longestEnd) s, ends without \(text())".printable)
      _exit(1)
    }
  }

  private static func tell(_ refusal: Refusal) {
    // A line break in a name is a part of the name.
    HostLog.write(.warning, "\(refusal.path) is not used: \(refusal.detail): \(refusal.remedy)".printable)
  }

  private struct Document: Encodable {
    let schema = "nsphost.log/1"
    var at: String
    var level: String
    var provider: String?
    var query: String?
    var text: String
  }

  private static func line(_ level: LogLevel, _ text: String, provider: String? = nil, query: QueryID? = nil) -> String {
    Output.jsonText(
      Document(
        at: Date.now.formatted(.iso8601), level: "\(level)", provider: provider, query: query?.description, text: text))
  }

  private static func sink(isJSON: Bool) -> @Sendable (LogEntry) -> Void {
    { entry in
      if isJSON {
        Output.aside(line(entry.level, entry.text, provider: entry.provider, query: entry.query), prefix: "")
      } else {
        let about = (entry.query.map { "query \($0): " } ?? "") + (entry.provider.map { "\($0): " } ?? "")
        Output.aside(about + entry.text, prefix: "\(entry.level): ")
      }
    }
  }
}

/// What systemd is told (sd_notify).
enum ServiceNotice {
  /// How often it wants to be told that this process is well (sd_watchdog_enabled): half of the time that it waits. Nil where it does not.
  static let heartbeat: Duration? = {
    let variables = ProcessEnvironment.variables
    guard let span = variables["WATCHDOG_USEC"].flatMap(Int64.init), span > 1 else { return nil }
    if let process = variables["WATCHDOG_PID"], process != String(getpid()) { return nil }
    return .microseconds(span / 2)
  }()

  static func send(_ text: String) {
    guard let path = ProcessEnvironment.variables["NOTIFY_SOCKET"], path.hasPrefix("/") || path.hasPrefix("@") else { return }
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
    withUnsafeMutableBytes(of: &address.sun_path) { target in
      target.copyBytes(from: path.utf8)
      // A name in the abstract name space begins with NUL.
      if path.hasPrefix("@") { target[0] = 0 }
    }
    let size = socklen_t(MemoryLayout<sa_family_t>.size + path.utf8.count)
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL), $0, size)
      }
    }
  }
}

extension Catalog.Entry {
  /// Whether a person means this entry: by name, by id, or by at least eight digits of the id.
  fileprivate func isNamed(_ text: String) -> Bool {
    let lower = text.lowercased()
    return manifest.displayName == text || id.description == lower || lower.count >= 8 && id.description.hasPrefix(lower)
  }
}
