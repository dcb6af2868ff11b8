import Foundation
import Testing

/// Which programs a host answers across network namespaces and pid namespaces, also on a socket that somebody else has made.
@Suite(.enabled(if: geteuid() == 0, "namespaces take root"), .timeLimit(.minutes(5))) struct NamespaceReachTests {
  private static let address = "192.0.2.1"
  private static let everyone = "[access]\nnetwork-namespaces = \"all\""
  private static let own = "[access]\nnetwork-namespaces = \"own\""

  @Test(
    "names are for the host's own network namespace; who asks the host itself is answered everywhere",
    arguments: Isolation.allCases)
  func networks(_ isolation: Isolation) async throws {
    let reach = try await Reach()
    try await reach.withOtherNetwork { outside in
      try await reach.serve("machine", Self.address, isolation) { machine in
        try await reach.expectEverywhere(Self.address)
        // There glibc goes on, whatever the namespace and the user.
        for before in [outside, ["unshare", "--net"], ["unshare", "--net"] + Reach.nobody] {
          try await reach.expect(Reach.files, by: .module, before)
        }
        // Without a service behind it the name is not found.
        let library = "LD_LIBRARY_PATH=" + reach.folder["lib"]
        try await reach.expect(status: 2, "", of: outside + ["env", library, "getent", "-s", "nsp", "hosts", "where"])
        for way in [Reach.Way.library, .command, .swift] { try await reach.expect(Self.address, by: way, outside) }
        // A program that moves is answered by where it is.
        try await reach.expectMoving(Self.address, Reach.files, Self.address)
        try await reach.expect(Reach.files, by: .module, outside)
        // Once a namespace, and each time with debug.
        try await eventually("the log says it: \(machine.log)") {
          let lines = machine.log.split(separator: "\n")
          return lines.contains { $0.contains("info: names are not for the network namespace of process") }
            && lines.filter { $0.hasPrefix("info: names are not") }.count >= 2
            && lines.contains { $0.hasPrefix("debug: names are not") }
        }
      }
    }
  }

  @Test(
    "network-namespaces: \"all\" answers in every one, \"own\" in the host's, wherever that is",
    arguments: Isolation.allCases)
  func rules(_ isolation: Isolation) async throws {
    let reach = try await Reach()
    try await reach.withOtherNetwork { outside in
      try await reach.serve("machine", Self.address, isolation, Self.everyone) { _ in
        try await reach.expect(Self.address, by: .module, outside)
        try await reach.expect(Self.address, by: .module)
        try await reach.expectMoving(Self.address, Self.address, Self.address)
      }
      // A host that is itself in another namespace than everybody else.
      try await reach.serve("machine", Self.address, isolation, Self.own, under: outside) { _ in
        try await reach.expect(Self.address, by: .module, outside)
        try await reach.expect(Reach.files, by: .module)
      }
    }
  }

  @Test("a socket that somebody else has made: the host's own network namespace counts, and the path is said where it has to be")
  func activated() async throws {
    let reach = try await Reach()
    let activate = ["python3", Built.package + "/Tests/Clients/activate.py"]
    let here = "/proc/\(getpid())/ns/net"
    try await reach.withOtherNetwork { outside in
      // Made in another namespace than the host's.
      var under = outside + activate + ["/run/nsphost/socket", "nsenter", "--net=" + here]
      try await reach.serve("activated", "192.0.2.5", .worker, "socket = \"/nowhere/socket\"", under: under) { host in
        #expect(host.said.contains("on /run/nsphost/socket") && !host.mustBeNamed, "\(host.said)")
        try await reach.expectEverywhere("192.0.2.5")
        try await reach.expect(Reach.files, by: .module, outside)
      }
      try? FileManager.default.removeItem(atPath: reach.folder["run/nsphost/socket"])
      // Made outside of the host's.
      under = activate + ["/run/nsphost/socket"] + outside
      try await reach.serve("activated", "192.0.2.5", .worker, "socket = \"/nowhere/socket\"", under: under) { _ in
        try await reach.expect("192.0.2.5", by: .module, outside)
        try await reach.expect(Reach.files, by: .module)
      }
      try? FileManager.default.removeItem(atPath: reach.folder["run/nsphost/socket"])
      let moved = reach.folder["moved"]
      under = activate + [moved]
      try await reach.serve("activated", "192.0.2.5", .worker, "socket = \"/nowhere/socket\"", under: under) { host in
        #expect(host.said.contains("clients must set NSP_SOCKET=" + moved), "\(host.said)")
        try await reach.expectEverywhere("192.0.2.5", ["env", "NSP_SOCKET=" + moved])
      }
    }
    let pathless = """
      import os, socket, sys
      one = socket.socket(socket.AF_UNIX); one.bind("\\0nsp-reach-" + str(os.getpid())); one.listen(1)
      spare = os.dup(one.fileno()); os.dup2(spare, 3); os.set_inheritable(3, True)
      os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1"); os.execvp(sys.argv[1], sys.argv[1:])
      """
    let serve = [Built.nsphost, "serve", "--plugins", reach.folder["plugins"]]
    try await reach.expect(status: 1, "write a path as ListenStream", of: ["python3", "-c", pathless] + serve)
  }

  @Test("a kernel that does not tell the namespace of a socket: all are answered, which is said; \"own\" is refused")
  func kernel() async throws {
    let reach = try await Reach()
    let preload = ["env", "LD_PRELOAD=" + reach.folder["no-cookie.so"]]
    try await reach.withOtherNetwork { outside in
      try await reach.serve("machine", Self.address, under: preload) { machine in
        let warning = "warning: glibc's module is answered in every network namespace: this kernel does not tell"
        #expect(machine.log.contains(warning), "\(machine.log)")
        for before in [[], outside] { try await reach.expect(Self.address, by: .module, before) }
      }
    }
    let refused = try reach.command("refused", Self.address, .inProcess, Self.own, under: preload)
    let outcome = try await reach.run(refused)
    #expect(outcome.status == 1, "\(outcome)")
    #expect(reach.folder.text(of: "refused.log").contains("write access.network-namespaces = \"all\""))
    try await reach.serve("machine", Self.address, .inProcess, Self.everyone, under: preload) { machine in
      #expect(!machine.log.contains("does not tell"), "\(machine.log)")
    }
    try await reach.serve("machine", Self.address, .inProcess, Self.everyone) { _ in
      // A program on such a kernel keeps its connections.
      try await reach.expectMoving(Self.address, Self.address, Self.address, before: preload)
    }
  }

  @Test(
    "a host in a pid namespace of its own answers who has a process id there; others are refused, and told why",
    arguments: Isolation.allCases)
  func hostOfAnotherPIDNamespace(_ isolation: Isolation) async throws {
    let reach = try await Reach()
    let own = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    let inside = try await reach.serve("machine", Self.address, isolation, under: own, endsWith: 128 + SIGKILL) { machine in
      let children = try String(contentsOfFile: "/proc/\(machine.process)/task/\(machine.process)/children", encoding: .utf8)
      let inside = try #require(children.split(separator: " ").first.map(String.init), "\(children)")
      let there = ["nsenter", "--target", inside, "--pid", "--mount"]
      for way in [Reach.Way.command, .library, .module] { try await reach.expect(Self.address, by: way, there) }
      try await reach.expect(
        status: 77, "in a pid namespace of its own, where this process has no process id", of: [Built.nsphost, "lookup", "where"])
      try await reach.expect("10013", by: .library)
      try await reach.expect("WSAEACCES (10013)", by: .swift)
      try await eventually("the log says it: \(machine.log)") {
        machine.log.contains("warning: a process of user 0 is refused: it is outside of the pid namespace")
      }
      // glibc's module needs no process.
      try await reach.expect(Self.address, by: .module)
      try await machine.crash()
      return inside
    }
    try await eventually("the host has ended") { !FileManager.default.fileExists(atPath: "/proc/" + inside) }
  }

  @Test("a client in a pid namespace of its own has a process id here, too, and is answered", arguments: Isolation.allCases)
  func clientOfAnotherPIDNamespace(_ isolation: Isolation) async throws {
    let reach = try await Reach()
    try await reach.serve("machine", Self.address, isolation) { _ in
      try await reach.expect(Self.address, by: .command, ["unshare", "--pid", "--fork", "--mount-proc"])
      for way in [Reach.Way.library, .module] { try await reach.expect(Self.address, by: way, ["unshare", "--pid", "--fork"]) }
    }
  }

  @Test("a host does not start with a /proc of another pid namespace")
  func otherProc() async throws {
    let reach = try await Reach()
    try await reach.expect(
      status: 1, "/proc does not show the processes of this pid namespace",
      of: ["unshare", "--pid", "--fork", "--kill-child", Built.nsphost, "serve", "--plugins", reach.folder["plugins"]])
  }
}
