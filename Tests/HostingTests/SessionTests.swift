import CWinsock
import Dispatch
import Foundation
import Hosting
import Providers
import QuerySets
import Sessions
import Synchronization
import Testing

/// The life of a session (nsp.md §5.4), with real provider files. Ending a session abruptly is what a vanished client comes to.
@Suite struct SessionTests {
  private func argument(_ scripted: ScriptedHost, _ name: String) throws -> Int {
    typealias Argument = @convention(c) () -> UnsafeMutableRawPointer?
    return Int(bitPattern: try scripted.function(name, "scripted_argument", as: Argument.self)())
  }

  @Test("NSP-032 NSP-033 a session starts with the first lookup that reaches a provider, once")
  func lazyStartup() throws {
    let scripted = try ScriptedHost("scripted-a", "mail-wildcard")
    let client = try scripted.open()
    #expect(try scripted.count("scripted-a", .startup) == 0)
    for _ in 0..<3 { _ = try scripted.lookup(client, "records-1") }
    #expect(try scripted.count("scripted-a", .startup) == 1)
    #expect(try scripted.count("mail-wildcard", .startup) == 0)
    scripted.finish()
  }

  @Test("NSP-034 a registration starts the session too")
  func registrationStarts() throws {
    let scripted = try ScriptedHost("scripted-a")
    _ = try scripted.host.engine.setService(
      try scripted.open(), QuerySet(serviceInstanceName: "x", nameSpace: .dns), operation: .register)
    #expect(try scripted.count("scripted-a", .startup) == 1)
    scripted.finish()
  }

  @Test("NSP-035 32 threads with a client's first lookups cause exactly one startup")
  func concurrentStartup() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    let failures = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: 32) { _ in
      let found = try? scripted.lookup(client, "records-2")
      if found?.records.count != 2 { failures.add(1, ordering: .relaxed) }
    }
    #expect(failures.load(ordering: .relaxed) == 0)
    #expect(try scripted.count("scripted-a", .startup) == 1)
    scripted.finish()
  }

  @Test("NSP-046 a client that says goodbye gets one Cleanup with its argument, and no Rundown")
  func graceful() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    _ = try scripted.lookup(client, "records-1")
    #expect(try scripted.hangUp(client, .remote))
    #expect(try scripted.count("scripted-a", .cleanup) == 1)
    #expect(try scripted.count("scripted-a", .clientSessionRundown) == 0)
    #expect(try argument(scripted, "scripted-a") == 0x1000, "NSP-038")
    #expect(try scripted.hangUp(client, .lost), "a second end changes nothing")
    #expect(try scripted.count("scripted-a", .clientSessionRundown) == 0)
    scripted.finish()
  }

  @Test("NSP-047 NSP-050 a vanished client's lookups are ended, then its session is run down once, and not cleaned up")
  func abrupt() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    let lookup = try scripted.host.engine.begin(
      client, QuerySet(serviceInstanceName: "records-5", nameSpace: .dns), flags: .returnAll)
    _ = try lookup.next()
    #expect(try scripted.hangUp(client, .lost))
    #expect(try scripted.count("scripted-a", .lookupServiceEnd) == 1)
    #expect(try scripted.count("scripted-a", .clientSessionRundown) == 1)
    #expect(try scripted.count("scripted-a", .cleanup) == 0)
    #expect(throws: LookupError.failed(.invalidHandle)) { try lookup.next() }
    scripted.finish()
  }

  @Test("NSP-049 where there is no Rundown, a vanished client gets one Cleanup")
  func noRundown() throws {
    let scripted = try ScriptedHost("no-rundown")
    let client = try scripted.open()
    _ = try scripted.lookup(client, "records-1")
    #expect(try scripted.hangUp(client, .lost))
    #expect(try scripted.count("no-rundown", .cleanup) == 1)
    scripted.finish()
  }

  @Test(
    "NSP-018 NSP-019 a provider without startup, or whose startup is WSAEOPNOTSUPP, serves lookups",
    arguments: ["no-startup", "startup-unsupported"])
  func noStartup(name: String) throws {
    let scripted = try ScriptedHost("no-startup", "startup-unsupported")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "records-1", at: name).records.count == 1)
    #expect(try scripted.hangUp(client, .remote))
    #expect(try scripted.count(name, .cleanup) == 1)
    #expect(try argument(scripted, name) == 0)
    scripted.finish()
  }

  @Test("NSP-041 NSP-042 NSP-043 a failed startup is not answered, hides no other provider, and is tried again")
  func failedStartup() throws {
    let scripted = try ScriptedHost("scripted-a", "startup-every-second")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "records-2").records.count == 2)
    #expect(try scripted.count("startup-every-second", .lookupServiceBegin) == 0)
    #expect(try scripted.lookup(client, "records-2").records.count == 4)
    #expect(try scripted.count("startup-every-second", .startup) == 2)
    #expect(try scripted.hangUp(client, .remote))
    #expect(try scripted.count("startup-every-second", .cleanup) == 1)
    scripted.finish()
  }

  @Test("NSP-040 two clients have two sessions")
  func twoClients() throws {
    let scripted = try ScriptedHost("scripted-a")
    let (first, second) = (try scripted.open("a"), try scripted.open("b"))
    _ = try scripted.lookup(first, "records-1")
    _ = try scripted.lookup(second, "records-1")
    #expect(try scripted.hangUp(second, .lost))
    #expect(try argument(scripted, "scripted-a") == 0x1010)
    #expect(try scripted.hangUp(first, .lost))
    #expect(try argument(scripted, "scripted-a") == 0x1000)
    scripted.finish()
  }

  @Test("NSP-051 NSP-077 NSP-078 a client that vanishes during a pending NextEx: End, late completion, then Rundown")
  func vanishesWhilePending() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    let lookup = try scripted.host.engine.begin(
      client, QuerySet(serviceInstanceName: "late", nameSpace: .dns), flags: .returnAll)
    let answered = DispatchSemaphore(value: 0)
    Thread {
      #expect(throws: LookupError.failed(.cancelled)) { try lookup.next() }
      answered.signal()
    }.start()
    while try scripted.count("scripted-a", .lookupServiceNextEx) == 0 { sched_yield() }
    let other = try scripted.client(client)
    other.hangUp(.lost)
    answered.wait()
    #expect(try scripted.count("scripted-a", .lookupServiceEnd) == 1)
    #expect(try scripted.count("scripted-a", .clientSessionRundown) == 0)
    #expect(scripted.host.ledger.first?.figures.live == 1)
    typealias Release = @convention(c) () -> Int32
    #expect(try scripted.function("scripted-a", "scripted_release", as: Release.self)() == 0)
    #expect(other.ended.wait(for: .seconds(5)) == .mediaDisconnect)
    #expect(try scripted.count("scripted-a", .clientSessionRundown) == 1)
    scripted.finish()
  }

  @Test("NSP-053 disabling a provider gives every live session one Cleanup, and unloads the file")
  func disable() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b")
    let clients = try (0..<5).map { try scripted.open("client-\($0)") }
    for client in clients { _ = try scripted.lookup(client, "records-1") }
    let id = try scripted.id("scripted-a")
    #expect(try scripted.lookup(clients[0], "records-1").records.count == 2)
    try scripted.host.disable(id)
    let figures = try #require(scripted.host.catalog[id]?.figures)
    #expect(figures.startups == 5 && figures.cleanups == 5 && figures.live == 0)
    // A thread of the host unmaps the file, soon.
    let unmapped = (0..<5_000).contains { _ in
      guard let handle = dlopen("\(scripted.directory)/scripted-a.so", RTLD_NOW | RTLD_NOLOAD) else { return true }
      dlclose(handle)
      usleep(1_000)
      return false
    }
    #expect(unmapped)
    #expect(try scripted.lookup(clients[0], "records-1").records.count == 1)
    scripted.finish()
  }

  @Test("NSP-059 startups equal cleanups and rundowns after 10,000 client lives, ended at random from 8 threads")
  func manyLives() throws {
    let scripted = try ScriptedHost("scripted-a", "no-rundown", "only-three")
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      for _ in 0..<1_250 {
        guard let client = try? scripted.host.open(ClientIdentity(processID: 1, userID: 0, groupID: 0, command: "brief")) else {
          return
        }
        var open: [Lookup] = []
        for _ in 0..<Int.random(in: 0...2) {
          let query = QuerySet(serviceInstanceName: "records-2", nameSpace: .dns)
          guard let lookup = try? scripted.host.engine.begin(client.session, query, flags: .returnName) else { continue }
          _ = try? lookup.next()
          if Bool.random() { lookup.end() } else { open.append(lookup) }
        }
        client.hangUp(Bool.random() ? .remote : .lost)
      }
    }
    for (_, figures) in scripted.host.ledger {
      #expect(figures.isBalanced)
      #expect(figures.startups > 5_000)
    }
    scripted.finish()
  }
}
