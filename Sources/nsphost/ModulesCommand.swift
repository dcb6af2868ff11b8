import ArgumentParser
import Glibc

struct ModulesCommand: WatchingCommand, ListingCommand {
  static let configuration = CommandConfiguration(
    commandName: "modules", abstract: "Show the network modules and what is bound to what.",
    discussion: """
      With --watch the host stays: it follows the plugin directories, loads what is dropped in, replaces what is renamed over, \
      detaches what is removed, and shows the modules again whenever they change. End with Ctrl-C.
      """)

  @OptionGroup var options: HostOptions

  @Flag(name: .long, help: "Stay, follow the plugin directories, and show every change.")
  var watch = false

  func run() throws {
    if let running = try options.runningHost() { return try showOrWatch(running) }
    guard watch else { return try list() }
    try options.performAlone(.host, staysUp: true) { own in
      guard own.host.watch() else {
        throw CommandFailure(
          what: "watch", why: String(cString: strerror(errno)), remedy: "raise fs.inotify.max_user_instances")
      }
      try watch(own)
    }
  }

  func request() -> Control.Modules { Control.Modules() }

  func output(_ answer: Control.Modules.Answer) -> CommandOutput {
    options.json ? CommandOutput(answer) : CommandOutput(answer.lines())
  }
}

extension Control.Modules.Answer {
  func lines(withAges: Bool = true) -> [String] {
    func age(_ microseconds: Int) -> String { withAges ? Output.age(.microseconds(microseconds)) : "" }
    var lines: [String] = []
    for interface in npis {
      let clients = interface.clients.isEmpty ? "no client" : "client " + interface.clients.joined(separator: ", ")
      lines.append("NPI \(interface.name ?? "-")  {\(interface.id)}  \(clients)")
      let rows = interface.providers.map { provider in
        [
          "  ", provider.module, provider.binding, age(provider.ageUs),
          provider.calls.map { Output.count($0, "call", "calls") } ?? "",
          provider.sessions.map { Output.count($0, "session", "sessions") } ?? "",
        ]
      }
      lines += Output.columns(rows)
    }
    for one in kept {
      lines.append("    \(one.module)  unbound  kept mapped: \(one.cause)\(withAges ? ", " + age(one.ageUs) : "")")
    }
    if let files {
      lines.append("not loaded, because no host serves")
      lines += Output.columns(files.map { ["  ", $0.name ?? $0.file.lastPathComponent, $0.state] })
    }
    if !lines.isEmpty { lines.append("") }
    let states = npis.flatMap { $0.providers.map(\.binding) }
    let (bound, detaching) = (states.count { $0 == "bound" }, states.count { $0 == "detaching" })
    lines.append(
      Output.count(npis.reduce(states.count) { $0 + $1.clients.count }, "module", "modules") + ", "
        + Output.count(bound + detaching, "binding", "bindings") + "; " + Output.count(detaching, "detach", "detaches")
        + " pending")
    return lines
  }
}
