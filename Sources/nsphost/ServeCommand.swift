import ArgumentParser
import Dispatch
import Glibc
import HostDaemon
import Lookups
import Providers
import Sessions

struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve the programs of this machine over a Unix socket.",
    discussion: """
      The socket is --socket, otherwise NSP_SOCKET, otherwise /run/nsphost/socket for root and $XDG_RUNTIME_DIR/nsphost/socket for \
      others. SIGTERM and SIGINT close every session in order; SIGHUP looks at the plugin directories again. Under systemd it says when \
      it is ready, and takes a socket that it is given.
      """)

  @OptionGroup var options: HostOptions
  @OptionGroup var file: ConfigurationFile

  func run() throws {
    let configuration = try file.load(isJSON: options.json)
    let host = ProviderHost(admits: { configuration.admits($0) })
    let catalog = CatalogFile(directory: configuration.state ?? ProcessEnvironment.stateDirectory)
    host.keepChanges(in: catalog, environment: ProcessEnvironment.variables)
    host.configure(configuration.providers)
    host.load(from: options.directories.isEmpty ? configuration.plugins ?? options.resolvedDirectories : options.directories)
    defer { host.stop() }
    if let defect = host.catalogDefect { Output.aside("\(defect.detail): \(defect.remedy)") }
    _ = host.watch()
    ProcessEnvironment.isServing = true
    let desk = ControlDesk(host: host)
    let server: HostServer
    do throws(ListenFailure) {
      let path = options.socket ?? ProcessEnvironment.variables["NSP_SOCKET"] ?? configuration.socket ?? options.socketPath
      server = try HostServer(host, path: path, limits: configuration.limits) { words, client, isOperator in
        desk.answer(words, client, isOperator: isOperator)
      }
    } catch {
      throw CommandFailure(what: "serve", why: error.why, remedy: error.remedy, isJSON: options.json)
    }
    let signals = Signals([SIGTERM, SIGINT, SIGHUP])
    ServiceNotice.send("READY=1")
    print("nsphost serves \(Output.count(host.catalog.entries.count, "provider", "providers")) on \(server.path)")
    fflush(nil)
    while signals.wait() == SIGHUP {
      ServiceNotice.send("RELOADING=1")
      host.rescan()
      ServiceNotice.send("READY=1")
    }
    ServiceNotice.send("STOPPING=1")
    server.stop()
  }
}

/// What systemd is told (sd_notify).
enum ServiceNotice {
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
