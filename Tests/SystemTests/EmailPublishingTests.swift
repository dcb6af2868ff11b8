import Foundation
import Testing

/// E-mail addresses that programs publish are found by others under the same rules in either place of the provider, until the sessions end.
@Suite(.timeLimit(.minutes(15))) struct EmailPublishingTests {
  @Test("a name is published for a service, or for none in particular, in any case and script", arguments: Isolation.allCases)
  func published(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation) { email in
      try await email.client.expect(
        inOrder: "ok", "imap ann@here.test 192.0.2.1:143", "imap ann@here.test 192.0.2.1:143",
        of: "register=ann@here.test,imap,192.0.2.1:143", "look=ann@here.test,imap", "look=ann@here.test")
      try await email.client.expect(
        inOrder: "ok", "- bob@here.test 192.0.2.1:25", "11004",
        of: "register=bob@here.test,,192.0.2.1:25", "look=bob@here.test,", "look=bob@here.test,imap")
      // Who has ended has published nothing.
      try await email.soon("10108", of: "look=ann@here.test,sip")
      try await email.client.expect(
        inOrder: "ok", "SIP Ann@München.Test 192.0.2.1:1", "SIP Ann@München.Test 192.0.2.1:1",
        of: "register=Ann@München.Test,SIP,192.0.2.1:1", "look=aNN@xn--mnchen-3ya.test.,sip", "look=ann@MÜNCHEN.test,sip")
      // For one service, it is its publisher's word for all of them.
      try await email.client.expect(
        inOrder: "ok", "11004", of: "register=ann@full.test,sip,192.0.2.1:1", "look=ann@full.test,imap")
      try await email.client.expect(inOrder: "ok", of: "opaque=odd@here.test")
      try await email.client.expect(inOrder: "10022", of: "prefers=ann@here.test")
    }
  }

  @Test("what is published is replaced, added to, deregistered, withdrawn and taken back", arguments: Isolation.allCases)
  func changed(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation) { email in
      try await email.client.expect(
        inOrder: "ok", "ok", "sip a@here.test 192.0.2.2:2", "ok", "sip a@here.test 192.0.2.2:2 [2001:db8::1]:1",
        of: "register=a@here.test,sip,192.0.2.1:1", "register=a@here.test,sip,192.0.2.2:2", "look=a@here.test,sip",
        "add=a@here.test,sip,192.0.2.2:2,[2001:db8::1]:1", "look=a@here.test,sip")
      // Deregistered, it keeps the name without addresses until it is registered again.
      try await email.client.expect(
        inOrder: "ok", "ok", "11004", "ok", "sip a@here.test 192.0.2.3:3",
        of: "register=a@here.test,sip,192.0.2.1:1", "deregister=a@here.test,sip", "look=a@here.test,sip",
        "add=a@here.test,sip,192.0.2.3:3", "look=a@here.test,sip")
      // Withdrawn one by one it is deregistered, not gone.
      try await email.client.expect(
        inOrder: "ok", "ok", "sip a@here.test 192.0.2.2:2", "ok", "11004", "ok",
        of: "register=a@here.test,sip,192.0.2.1:1,192.0.2.2:2", "withdraw=a@here.test,sip,192.0.2.1:1", "look=a@here.test,sip",
        "withdraw=a@here.test,sip,192.0.2.2:2", "look=a@here.test,sip", "delete=a@here.test,sip")
      // Taken back with its last address it is gone.
      try await email.client.expect(
        inOrder: "ok", "ok", "sip a@here.test 192.0.2.2:2", "ok", "10108", "10108",
        of: "register=a@here.test,sip,192.0.2.1:1,192.0.2.2:2", "take=a@here.test,sip,192.0.2.1:1", "look=a@here.test,sip",
        "take=a@here.test,sip,192.0.2.2:2,192.0.2.9:9", "look=a@here.test,sip", "take=a@here.test,sip,192.0.2.2:2")
      // Nobody has what is unknown.
      try await email.client.expect(
        inOrder: "10108", "10108", "10108", "10108",
        of: "deregister=a@here.test,sip", "withdraw=a@here.test,sip,192.0.2.1:1", "delete=a@here.test,sip",
        "take=a@here.test,sip,192.0.2.1:1")
      // A zone is compared with its address.
      try await email.client.expect(
        inOrder: "ok", "sip z@here.test [fe80::7%lo]:631", "ok", "sip z@here.test [fe80::7%lo]:631", "ok", "10108",
        of: "register=z@here.test,sip,[fe80::7%lo]:631", "look=z@here.test,sip", "take=z@here.test,sip,[fe80::7]:631",
        "look=z@here.test,sip", "take=z@here.test,sip,[fe80::7%lo]:631", "look=z@here.test,sip")
    }
  }

  @Test(
    "what is no address, no domain or no service is refused, and so is more than there is room for", arguments: Isolation.allCases
  )
  func limits(_ isolation: Isolation) async throws {
    func letters(_ count: Int) -> String { String(repeating: "x", count: count) }
    let refused = [
      "register=ann,sip,192.0.2.1:1", "register=@here.test,sip,192.0.2.1:1", "register=ann@,sip,192.0.2.1:1",
      "register=ann@a..b,sip,192.0.2.1:1", "register=\(letters(311))@here.test,sip,192.0.2.1:1",
      "register=ann@here.test,\(letters(65)),192.0.2.1:1", "look=ann@here.test,a service", "look=ann,imap",
    ]
    let taken = ["register=\(letters(310))@here.test,sip,192.0.2.1:1", "register=ann@here.test,\(letters(64)),192.0.2.1:1"]
    try await EmailHost.serve(isolation) { email in
      try await email.client.expect(
        inOrder: ["10045", "10045", "10045", "10045", "10045", "10022", "10022", "10108"], of: refused)
      try await email.client.expect(inOrder: ["ok", "ok"], of: taken)
      // 1,000 names a session, 4,096 addresses a name, and what fits an answer.
      try await email.client.expect(
        inOrder: "1000 10055", "ok", "ok", "wide w@large.example and 4096 in all", "10055", "10055",
        of: "many=1001", "delete=name0@many.example,sip", "wide=w@large.example,4096", "look=w@large.example,wide",
        "add=w@large.example,wide,192.0.2.1:1", "full=100")
    }
  }

  private static let held = [
    "register=eve@here.test,imap,192.0.2.5:143", "register=eve@here.test,jmap,192.0.2.5:443",
    "register=ada@here.test,imap,192.0.2.6:143",
  ]

  @Test(
    "a client publishes and stays: other sessions of the user find it, add to it, and have its preferred names",
    arguments: Isolation.allCases)
  func shared(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation) { email in
      let killed = try await email.holding(Self.held, by: email.client) { process in
        try await email.client.expect(
          inOrder: "imap eve@here.test 192.0.2.5:143", "jmap eve@here.test 192.0.2.5:443", "eve@here.test 192.0.2.5:143 6 0",
          of: "look=eve@here.test", "resolve=eve@here.test,imap")
        try await email.host.nsphost.expect(
          lines: ["192.0.2.5:143  eve@here.test"], of: "lookup", "eve@here.test", "--namespace", "email", "--service", "imap")

        // Another session adds to it, until that ends.
        try await email.client.expect(
          inOrder: "ok", "imap eve@here.test 192.0.2.5:143", "imap eve@here.test 192.0.2.7:143",
          of: "register=eve@here.test,imap,192.0.2.7:143", "look=eve@here.test,imap")
        try await email.soon("imap eve@here.test 192.0.2.5:143", of: "look=eve@here.test,imap")

        // The preferred names are the user's, the last one first, each once.
        try await email.client.expect(
          inOrder: "ok", "- new@here.test flags 10000", "- ada@here.test flags 10000", "- eve@here.test flags 10000",
          "jmap eve@here.test flags 10000", "11004",
          of: "register=new@here.test,sip,192.0.2.5:1", "preferred=", "preferred=jmap", "preferred=pop3")
        // By GetAddrInfoEx.
        try await email.client.expect(inOrder: "eve@here.test 0 10000", "11004", of: "names=jmap", "names=pop3")
        try await email.client.expect(
          inOrder: "ok", "two@here.test 0 10000", "eve@here.test 0 10000",
          of: "register=two@here.test,jmap,192.0.2.5:2", "names=jmap")
        kill(process, SIGKILL)
      }
      #expect(killed.status == 128 + SIGKILL, "\(killed)")
      try await email.soon("10108", "11004", of: "secure=eve@here.test,imap", "preferred=")
    }
  }

  @Test("a client in the style of Windows finds what is published, and publishes until it ends", arguments: Isolation.allCases)
  func windowsStyle(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation) { email in
      let (package, folder) = (Built.package, email.host.folder)
      let compiled = try await Program(path: "/usr/bin/env").run(
        "clang", "-fshort-wchar", "-DUNICODE", "-D_UNICODE", "-I\(package)/Sources/ABI/CWindows/include",
        "-I\(package)/Sources/ABI/CWinsock/include", package + "/sample-providers/windows-style/email-client.c",
        "-o", folder["email-client"], "-L\(package)/build", "-lnspwindows", "-L" + folder["clients"], "-lnsp", "-pthread")
      try #require(compiled.status == 0, "\(compiled)")
      let client = Program(path: folder["email-client"], environment: email.client.environment)
      let holder = try await email.holding(Self.held, by: email.client) { _ in
        try await client.expect(inOrder: "eve@here.test 192.0.2.5:443", of: "resolve", "eve@here.test", "jmap")
        try await client.expect(inOrder: "imap 192.0.2.5:143", "jmap 192.0.2.5:443", of: "lookup", "eve@here.test")
        try await client.expect(0, of: "publish", "win@here.test", "calls", "5060")
        try await email.soon("10108", of: "look=win@here.test,calls")
      }
      #expect(holder.status == 0, "\(holder)")
    }
  }

  @Test(
    "another user's name is found, and not to be taken; an operator may add to what a user has, and take it back",
    .enabled(if: geteuid() == 0, "it takes root"), arguments: Isolation.allCases)
  func otherUsers(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation) { email in
      let nobody = email.client.asUser(65534)
      let holder = try await email.holding(Self.held, by: email.client) { _ in
        try await nobody.expect(
          inOrder: "10013", "10013", "10013", "ok",
          of: "register=eve@here.test,pop3,192.0.2.8:110", "deregister=eve@here.test,imap", "delete=eve@here.test,imap",
          "register=mine@here.test,sip,192.0.2.8:1")
        // What an operator has published is secure, too.
        try await nobody.expect(
          inOrder: "imap eve@here.test 192.0.2.5:143", "imap eve@here.test 192.0.2.5:143",
          of: "look=eve@here.test,imap", "secure=eve@here.test,imap")
        // Each user has preferred names of their own.
        try await eventually("nothing of the user is left") { try await nobody.run("preferred=").lines == ["11004"] }
        try await nobody.expect(
          inOrder: "11004", "ok", "- mine@here.test flags 10000",
          of: "preferred=", "register=mine@here.test,sip,192.0.2.8:1", "preferred=")
      }
      #expect(holder.status == 0, "\(holder)")

      let low = try await email.holding(["register=low@here.test,imap,192.0.2.9:143"], by: nobody) { _ in
        // Who asks for all owners finds it, and it is not secure; others ask the domain, of which the server says nothing.
        try await email.client.expect(
          inOrder: "imap low@here.test 192.0.2.9:143", "10108", "10112",
          of: "all=low@here.test,imap", "secure=low@here.test,imap", "look=low@here.test,imap")
        try await email.client.expect(
          inOrder: "ok", "imap low@here.test 192.0.2.9:143", "imap low@here.test 192.0.2.1:1", "ok", "ok", "10108",
          of: "register=low@here.test,imap,192.0.2.1:1", "all=low@here.test,imap", "delete=low@here.test,imap",
          "delete=low@here.test,imap", "look=low@here.test,sip")
      }
      #expect(low.status == 0, "\(low)")
    }
  }

  @Test(
    "4,800 registrations and 9,600 lookups by eight threads, and 4,000 that end before their answer",
    arguments: Isolation.allCases)
  func endures(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation) { email in
      let process = isolation == .inProcess ? email.host.processID : try #require(try await email.host.workers.first)
      try await email.client.run("storm=50,x@storm.test", "cancel=500,a@full.test", "look=a@full.test")
      let before = try ProcessFigures(of: process)
      try await email.client.expect(inOrder: "0 failed", "ok", of: "storm=600,y@storm.test", "cancel=4000,a@full.test")
      try await email.host.settles()
      // A worker keeps a connection for each of the threads that were busy at once.
      try await eventually("no more descriptors than the \(before.descriptors) that there were, and a few") {
        try ProcessFigures(of: process).descriptors <= before.descriptors + 8
      }
      let after = try ProcessFigures(of: process)
      #expect(after.resident <= before.resident + 16384, "KiB: \(before.resident), then \(after.resident)")
    }
  }

  @Test("a worker that is killed takes with it what it held, and the next one serves")
  func lostWorker() async throws {
    try await EmailHost.serve(.worker) { email in
      let holder = try await email.holding(["register=kim@full.test,sip,192.0.2.5:1"], by: email.client) { _ in
        kill(try #require(try await email.host.workers.first), SIGKILL)
        try await email.soon(
          "jmap kim@full.test 192.0.2.1:443 [2001:db8::1]:443 (imap.full.test:443)", "ok",
          of: "look=kim@full.test,jmap", "register=kim@full.test,sip,192.0.2.1:1")
      }
      #expect(holder.status == 0, "\(holder)")
    }
  }

  @Test("who waits when the host is killed is told", arguments: Isolation.allCases)
  func lostHost(_ isolation: Isolation) async throws {
    // The server says nothing for as long as the client waits.
    try await EmailHost.serve(isolation, patience: 60000, isKilled: true) { email in
      try await email.knot.silenced {
        let waiting = try await email.client.beside("look=ann@full.test", printing: email.host.folder["waiting"]) { _ in
          try await email.isAsked(for: "ann@full.test")
          try await email.host.crash()
        }.outcome
        #expect(waiting.lines == ["10050"], "\(waiting)")
      }
    }
  }
}
