import CallManagement
import Foundation
import Glibc
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Sessions
import Synchronization
import Testing

/// Sessions as calls: who gets one, what ends one, and what providers hear of it.
@Suite struct TransportTests {
  @Test("a client's session is a call; hanging up is an incoming close, answered when every provider has been told")
  func call() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.client(try scripted.open("ann"))
    #expect(try scripted.lookup(client.session, "records-1").records.count == 1)
    let call = try #require(scripted.host.calls.calls.first)
    #expect(call.state == .active && call.owner == .miniportCallManager && call.peer?.command == "ann")
    #expect(call.transport == "loopback" && call.lastEvent == .connected && call.parties == 0)
    #expect(client.hangUpAndWait())
    #expect(scripted.host.calls.calls.isEmpty && scripted.host.calls.ended == 1)
    #expect(scripted.host.sessions.sessions.isEmpty)
    scripted.finish()
    #expect(scripted.host.calls.illegalTransitions == 0)
  }

  @Test("each reason reaches the other end as its status, and means Cleanup or Rundown", arguments: CloseReason.allCases)
  func reasons(reason: CloseReason) throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.client(try scripted.open())
    _ = try scripted.lookup(client.session, "records-1")
    client.hangUp(reason)
    #expect(client.ended.wait(for: .seconds(5)) == reason.status)
    let isGraceful = reason == .remote || reason == .shuttingDown
    #expect(try scripted.count("scripted-a", .cleanup) == (isGraceful ? 1 : 0))
    #expect(try scripted.count("scripted-a", .clientSessionRundown) == (isGraceful ? 0 : 1))
    #expect(CloseReason(reason.status) == reason)
    scripted.finish()
  }

  @Test("a client that may not have a session is refused: no session, no call, nothing at any provider")
  func refused() throws {
    let scripted = try ScriptedHost("scripted-a", admits: { $0.userID == 7 })
    #expect(throws: NDISStatus.notAccepted) {
      try scripted.host.open(ClientIdentity(processID: 1, userID: 8, groupID: 7, command: "eve"))
    }
    #expect(scripted.host.sessions.sessions.isEmpty && scripted.host.calls.calls.isEmpty)
    let admitted = try scripted.host.open(
      ClientIdentity(processID: 2, userID: 7, groupID: 9, command: "a name of more than 16 bytes"))
    #expect(
      admitted.session.identity == ClientIdentity(processID: 2, userID: 7, groupID: 9, command: "a name of more t"))
    #expect(admitted.hangUpAndWait())
    scripted.finish()
  }

  @Test("an operator closes a call: the session ends at once, the client learns why, and hanging up then changes nothing")
  func kicked() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.client(try scripted.open())
    _ = try scripted.lookup(client.session, "records-1")
    let number = try #require(scripted.host.calls.calls.first?.number)
    guard case .closed(let call) = scripted.host.closeCall(number, .overQuota) else {
      Issue.record("not closed")
      return
    }
    #expect(call.number == number && client.ended.wait(for: .zero) == CloseReason.overQuota.status)
    #expect(try scripted.count("scripted-a", .clientSessionRundown) == 1)
    #expect(try scripted.lookup(client.session, "records-1").end == .cancelled)
    #expect(client.hangUpAndWait())
    #expect(try scripted.count("scripted-a", .cleanup) == 0)
    if case .notFound = scripted.host.closeCall(number, .kicked) {} else { Issue.record("it is gone") }
    scripted.finish()
  }

  @Test("a call is closing until its last call of a provider is completed; meanwhile it can't be closed again")
  func draining() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.client(try scripted.open())
    let lookup = try scripted.host.engine.begin(
      client.session, QuerySet(serviceInstanceName: "late", nameSpace: .dns), flags: .returnAll)
    let answered = DispatchSemaphore(value: 0)
    Thread {
      _ = try? lookup.next()
      answered.signal()
    }.start()
    while try scripted.count("scripted-a", .lookupServiceNextEx) == 0 { sched_yield() }
    let number = try #require(scripted.host.calls.calls.first?.number)
    if case .stillClosing(let call) = scripted.host.closeCall(number, .kicked, deadline: .milliseconds(20)) {
      #expect(call.state == .closing && call.lastEvent == .incomingClose(CloseReason.kicked.status))
    } else {
      Issue.record("closed too early")
    }
    if case .refused(let call) = scripted.host.closeCall(number, .idle) {
      #expect(call.state == .closing)
    } else {
      Issue.record("closed twice")
    }
    answered.wait()
    typealias Release = @convention(c) () -> Int32
    #expect(try scripted.function("scripted-a", "scripted_release", as: Release.self)() == 0)
    #expect(client.ended.wait(for: .seconds(5)) == CloseReason.kicked.status)
    scripted.finish()
  }

  @Test("a host that stops closes every call: Cleanup at every provider, and later calls are refused")
  func stopping() throws {
    let scripted = try ScriptedHost("scripted-a")
    let clients = try (0..<3).map { try scripted.client(try scripted.open("client \($0)")) }
    for client in clients { _ = try scripted.lookup(client.session, "records-1") }
    let cleanups = try scripted.provider("scripted-a").ledger
    scripted.host.stop()
    for client in clients { #expect(client.ended.wait(for: .zero) == CloseReason.shuttingDown.status) }
    #expect(cleanups.figures.cleanups == 3 && cleanups.figures.rundowns == 0)
    #expect(throws: NDISStatus.closing) { try scripted.open() }
    scripted.finish()
  }
}

/// Transports that come in files.
extension HotOperationTests {
  private typealias Perform = @convention(c) (UnsafePointer<CChar>) -> Void
  private typealias Hold = @convention(c) (Int32) -> Void
  private typealias Offer = @convention(c) (Int32) -> Int32
  private typealias Reason = @convention(c) () -> Int32

  /// Calls a function of a file on a thread of the host. A call leaves addresses behind on its stack: on that of the test, which goes on, they would
  /// look like a call that has not returned, and keep the file mapped.
  @discardableResult
  private func elsewhere<Result: Sendable>(_ call: @escaping @Sendable () -> Result) throws -> Result {
    let returned = Promise<Result>()
    HostThreads.run { returned.resolve(call()) }
    return try #require(returned.wait(for: .seconds(60)))
  }

  private func peers(_ scripted: ScriptedHost) -> [String] { scripted.host.calls.calls.compactMap { $0.peer?.command } }

  @Test("a file that registers a transport brings clients; removed, it is taken down with every call and unmapped")
  func transportFile() throws {
    let scripted = try ScriptedHost("scripted-a", "transport", registrar: .shared, calls: .shared)
    let perform = try scripted.function("transport", "transport_perform", as: Perform.self)
    let reason = try scripted.function("transport", "transport_reason", as: Reason.self)
    for name in ["ann", "ben", "cleo"] { try elsewhere { perform("offer \(name) 1000 1") } }
    #expect(peers(scripted) == ["ann", "ben", "cleo"])
    let ann = try #require(scripted.host.sessions.sessions.first { $0.identity.command == "ann" })
    _ = try scripted.lookup(ann, "records-1")
    let ledger = try scripted.provider("scripted-a").ledger
    try elsewhere { perform("close ann lost") }
    // The transport's own thread waits for no provider.
    try wait("the session is run down") { peers(scripted) == ["ben", "cleo"] && ledger.figures.rundowns == 1 }
    #expect(try elsewhere { reason() } == CloseReason.lost.status.rawValue)
    try elsewhere { perform("down") }
    #expect(peers(scripted).isEmpty)
    #expect(try elsewhere { reason() } == CloseReason.lineDown.status.rawValue)
    try elsewhere { perform("offer dan 1001 2") }
    try elsewhere { perform("offer eve 1001 3") }
    #expect(peers(scripted) == ["dan", "eve"])
    unlink(scripted.directory + "/transport.so")
    scripted.host.rescan()
    #expect(peers(scripted).isEmpty)
    try wait("the file is unmapped") { mappings(scripted, "transport") == 0 }
    #expect(scripted.host.sessions.sessions.isEmpty && scripted.host.layer.transports.map(\.name) == ["loopback"])
    scripted.finish()
  }

  @Test("call parameters without credentials, with others, or with too few bytes are refused")
  func badCredentials() throws {
    let scripted = try ScriptedHost("transport", registrar: .shared, calls: .shared)
    let offer = try scripted.function("transport", "transport_offer_bad", as: Offer.self)
    for how in Int32(0)..<3 { #expect(try elsewhere { offer(how) } == NDISStatus.invalidData.rawValue) }
    #expect(scripted.host.sessions.sessions.isEmpty)
    scripted.finish()
  }

  @Test("a transport that wants its address family closed is taken down, with calls and without", arguments: [0, 2])
  func transportNotifies(calls: Int) throws {
    let scripted = try ScriptedHost("transport", registrar: .shared, calls: .shared)
    let perform = try scripted.function("transport", "transport_perform", as: Perform.self)
    for number in 0..<calls { try elsewhere { perform("offer client\(number) 1000 1") } }
    let notify = try scripted.function("transport", "transport_notify", as: Reason.self)
    #expect(try elsewhere { notify() } == 0)
    try wait("it is taken down") { scripted.host.layer.transports.map(\.name) == ["loopback"] }
    #expect(scripted.host.sessions.sessions.isEmpty)
    unlink(scripted.directory + "/transport.so")
    scripted.host.rescan()
    try wait("the file is unmapped") { mappings(scripted, "transport") == 0 }
    scripted.finish()
  }

  @Test("a transport that refuses every close is asked without data, then now and then, and closes in the end")
  func transportRefuses() throws {
    let scripted = try ScriptedHost("transport", registrar: .shared, calls: .shared)
    let perform = try scripted.function("transport", "transport_perform", as: Perform.self)
    let refuse = try scripted.function("transport", "transport_refuse", as: Offer.self)
    try elsewhere { perform("offer ann 1000 1") }
    try elsewhere { refuse(1) }
    try elsewhere { perform("close ann idle") }
    #expect(try elsewhere { refuse(1) } == 2, "with data, and without")
    #expect(peers(scripted) == ["ann"] && scripted.host.sessions.sessions.isEmpty)
    try elsewhere { refuse(0) }
    try wait("it is asked again") { peers(scripted).isEmpty }
    scripted.finish()
  }

  @Test("a transport that does not let a call go is waited for, and its file stays until it does")
  func transportHolds() throws {
    let scripted = try ScriptedHost("transport", registrar: .shared, calls: .shared)
    let hold = try scripted.function("transport", "transport_hold", as: Hold.self)
    let perform = try scripted.function("transport", "transport_perform", as: Perform.self)
    try elsewhere { perform("offer ann 1000 1") }
    try elsewhere { hold(1) }
    let removed = Promise<Void>()
    unlink(scripted.directory + "/transport.so")
    Thread {
      scripted.host.rescan()
      removed.resolve(())
    }.start()
    #expect(removed.wait(for: .milliseconds(50)) == nil)
    #expect(scripted.host.sessions.sessions.isEmpty, "the session has ended; it is the connection that stays")
    #expect(mappings(scripted, "transport") > 0)
    try elsewhere { hold(0) }
    #expect(removed.wait(for: .seconds(5)) != nil)
    try wait("the file is unmapped") { mappings(scripted, "transport") == 0 }
    scripted.finish()
  }
}
