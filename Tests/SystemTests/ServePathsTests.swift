import Foundation
import Testing

/// The files and folders that a host makes and opens when it starts: links, pipes and folders of others are refused, and nothing is written
/// through them.
@Suite(.timeLimit(.minutes(10)), .enabled(if: geteuid() == 0, "what other users put into the way takes root"))
struct ServePathsTests {
  @Test("the lock beside the socket: a link, a second name, another user's, a pipe")
  func lock() async throws {
    let ground = try Ground()
    let folder = ground.folder
    try ground.link("theirs/socket.lock", to: "precious")
    try await ground.refuses("\(folder["theirs"]) belongs to user 65534", socket: "theirs/socket")
    ground.isUntouched()

    let (lock, socket) = (folder["shared/socket.lock"], "shared/socket")
    func cleared() throws { try FileManager.default.removeItem(atPath: lock) }
    try ground.link("shared/socket.lock", to: "precious")
    try await ground.refuses("\(lock) is a link", socket: socket)
    ground.isUntouched()
    try cleared()
    try FileManager.default.linkItem(atPath: folder["precious"], toPath: lock)
    try await ground.refuses("second name", socket: socket)
    ground.isUntouched()
    try cleared()
    try folder.write("", to: "shared/socket.lock")
    try ground.give("shared/socket.lock")
    try await ground.refuses("socket.lock belongs to user 65534", socket: socket)
    try cleared()
    #expect(mkfifo(lock, 0o644) == 0)
    try await ground.refuses("is not a regular file", socket: socket)
  }

  @Test("the socket and its folder: another user's socket, a link that leads there, a folder that everybody can write")
  func socket() async throws {
    let ground = try Ground()
    let folder = ground.folder
    #expect(mknod(folder["shared/socket"], S_IFSOCK | 0o755, 0) == 0)
    try ground.give("shared/socket")
    try await ground.refuses("is a socket of user 65534", socket: "shared/socket")
    let type = try FileManager.default.attributesOfItem(atPath: folder["shared/socket"])[.type]
    #expect(type as? FileAttributeType == .typeSocket)

    try ground.link("shared/run", to: "run")
    try await ground.refuses("is a link of user 65534, in a folder that others can write", socket: "shared/run/socket")
    #expect(!folder.has("run/socket"))
    try folder.make("open")
    try ground.permit(0o777, "open")
    try await ground.refuses("every user can write it", socket: "open/new/socket")
    #expect(!folder.has("open/new"))

    // A folder like /tmp will do, and so will one that a link of the user's leads to, and one that is not there yet.
    try ground.link("alias", to: "run", asNobody: false)
    for socket in ["shared/mine", "alias/new/socket"] {
      let nsphost = ground.nsphost(socket: socket)
      try await ground.serving(nsphost, ["serve", "--plugins", folder["plugins"]], client: nsphost)
    }
  }

  @Test("the state folder is nobody else's, and in no folder that others can write")
  func state() async throws {
    let ground = try Ground()
    try ground.folder.make("open/state")
    try ground.permit(0o777, "open")
    try await ground.refuses("\(ground.folder["open"]) has mode 0777: every user can write it", state: "open/state")
    try await ground.refuses("\(ground.folder["theirs"]) belongs to user 65534", state: "theirs")
    // One like /tmp will not do.
    try await ground.refuses("\(ground.folder["shared"]) has mode 1777", state: "shared")
  }

  @Test(
    "no file of the state folder is written through a link",
    arguments: [
      "catalog.toml.lock", "catalog.toml.new", "nsphost.lock", "schema.db", "schema.changes", "directory.db", "directory.runs",
    ])
  func through(_ name: String) async throws {
    let ground = try Ground()
    let folder = ground.folder
    try Self.ship(["directory", "hosts"], to: "plugins", folder)
    try folder.make("state")
    try ground.link("state/" + name, to: "precious", asNobody: false)
    let nsphost = ground.nsphost(state: "state")
    // What refuses is the host, the provider, or the change that needs the file.
    _ = try await nsphost.beside("serve", "--plugins", folder["plugins"], printing: folder["other.log"]) { process in
      try await eventually("it serves, or has refused") { folder.has("run/socket") || ProcessEnd.isReached(by: process) }
      if !ProcessEnd.isReached(by: process) {
        try await nsphost.run("register", "a", "--address", "10.0.0.1:1")
        try await nsphost.run("disable", "hosts")
        try await nsphost.run("enable", "hosts")
      }
      kill(process, SIGTERM)
    }
    ground.isUntouched()
  }

  /// Providers with their manifests, as they ship.
  private static func ship(_ names: [String], to place: String, _ folder: WorkFolder) throws {
    try folder.make(place)
    for name in names {
      for file in [name + ".so", name + ".toml"] { try folder.copy(Built.plugins + "/" + file, to: place + "/" + file) }
    }
  }

  @Test("a directory of plugins that was named and is not there is a warning, whoever names it")
  func missingPlugins() async throws {
    let ground = try Ground()
    let folder = ground.folder
    let missing = "plugin directory \(folder["nosuch"]): No such file"
    func warns(_ outcome: Program.Outcome) {
      let said = outcome.output + outcome.errors
      let warning = said.range(of: missing)
      #expect(outcome.status == 0 && warning.map { said[$0.upperBound...].contains("help: make it") } == true, "\(outcome)")
    }
    var nsphost = ground.nsphost()
    warns(try await nsphost.run("providers", "--plugins", folder["nosuch"]))
    nsphost.environment["NSP_PLUGIN_PATH"] = folder["nosuch"]
    warns(try await nsphost.run("providers", "--local"))

    try folder.write("plugins = [\"\(folder["nosuch"])\", \"\(folder["precious"])\"]\n", to: "other.toml")
    let serving = try await ground.serving(
      ground.nsphost(), ["serve", "--config", folder["other.toml"]], client: ground.nsphost())
    let said = serving.output + serving.errors
    #expect(said.contains("warning: " + missing) && said.contains("precious: is not a directory"), "\(serving)")
  }

  @Test("serve finds the plugins of its own prefix, and none in the home of root")
  func prefix() async throws {
    let ground = try Ground()
    let folder = ground.folder
    try folder.make("prefix/bin")
    try folder.copy(Built.nsphost, to: "prefix/bin/nsphost")
    try Self.ship(["hosts"], to: "prefix/lib/nsp", folder)
    try Self.ship(["email"], to: "home/.local/lib/nsp", folder)
    var nsphost = ground.nsphost()
    nsphost.environment["HOME"] = folder["home"]
    nsphost.path = "/usr/bin/env"
    nsphost.words = ["-u", "NSP_PLUGIN_PATH", folder["prefix/bin/nsphost"]]
    try await ground.serving(nsphost, ["serve"], client: nsphost) { nsphost in
      try await nsphost.expect(0, folder["prefix/lib/nsp/hosts.so"], of: "inspect", "hosts")
      try await nsphost.expect(2, of: "providers", "--exists", "email")
    }
  }

  /// Python, which hands a socket to what follows as a service manager does.
  private static func activation(_ ground: Ground, _ socket: String) -> Program {
    var program = ground.nsphost()
    program.environment["NSP_SOCKET"] = nil
    program.path = "/usr/bin/env"
    program.words = ["-u", "NSP_SOCKET", "python3", Built.package + "/Tests/Clients/activate.py", ground.folder[socket]]
    return program
  }

  @Test("a service manager's socket at another path than NSP_SOCKET says: workers are told of that one, and serve")
  func activated() async throws {
    let ground = try Ground()
    let folder = ground.folder
    try folder.make("elsewhere")
    try Self.ship(["directory", "hosts"], to: "plugins", folder)
    let manifest = try Plugin.shipped("hosts", .worker).manifest ?? ""
    try folder.write(manifest, to: "plugins/hosts.toml")
    let outcome = try await ground.serving(
      Self.activation(ground, "elsewhere/socket"),
      ["env", "NSP_SOCKET=/nowhere/socket", Built.nsphost, "serve", "--plugins", folder["plugins"]],
      client: ground.nsphost(socket: "elsewhere/socket")
    ) { nsphost in
      try await eventually("its workers serve") { try await nsphost.run("providers", "--exists", "hosts").status == 0 }
      try await nsphost.expect(0, of: "lookup", "localhost")
    }
    let said = outcome.output + outcome.errors
    #expect(said.contains("on \(folder["elsewhere/socket"])") && !said.contains("has died"), "\(outcome)")
  }

  @Test("a service manager's socket that no worker could connect to, several, and one with --supervise are refused")
  func refusedActivation() async throws {
    let ground = try Ground()
    let folder = ground.folder
    try folder.make("hidden")
    var hidden = Self.activation(ground, "hidden/socket")
    // In front of what becomes the host, which has to be the process that the socket is for.
    hidden.words.insert(contentsOf: ["timeout", "60"], at: 2)
    let view = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none \"$0\" && exec \"$@\"", folder["hidden"]]
    let outcome = try await hidden.run(view + [Built.nsphost, "serve", "--plugins", folder["plugins"]])
    #expect(
      outcome.status != 0 && outcome.status != 124
        && (outcome.output + outcome.errors).contains("\(folder["hidden/socket"]), is not there for this process"),
      "\(outcome)")

    var several = ground.nsphost()
    several.environment["LISTEN_FDS"] = "2"
    (several.path, several.words) = ("/bin/sh", ["-c", "LISTEN_PID=$$ exec \"$@\"", "sh", Built.nsphost])
    try await several.expect(1, "has given 2 sockets", of: "serve", "--plugins", folder["plugins"])

    try await Self.activation(ground, "run/handed").expect(
      64, "leave out --supervise", of: Built.nsphost, "serve", "--supervise", "--plugins", folder["plugins"])
  }
}
