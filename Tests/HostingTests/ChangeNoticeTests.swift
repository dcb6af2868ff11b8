import CWinsock
import Dispatch
import Foundation
import Hosting
import Providers
import QuerySets
import Rundown
import Sessions
import Testing

/// Control of lookups, and being told of changes.
@Suite struct ChangeNoticeTests {
  private func open(_ scripted: ScriptedHost, _ client: ClientSession, _ name: String = "records-1", at provider: String?) throws
    -> Lookup
  {
    let query = QuerySet(serviceInstanceName: name, nameSpace: .dns, providerID: try provider.map { try scripted.id($0) })
    return try scripted.host.engine.begin(client, query, flags: .returnAll)
  }

  private func register(_ scripted: ScriptedHost, _ client: ClientSession, _ name: String = "x") throws {
    let registration = QuerySet(serviceInstanceName: name, nameSpace: .dns)
    _ = try scripted.host.engine.setService(client, registration, operation: .register)
  }

  /// What a notice came to; nil for what has not ended.
  private final class Outcome: Sendable {
    private let arrived = DispatchSemaphore(value: 0)
    private let outcomes = Locked<[WinsockError?]>([])

    init(_ control: Lookup.Control) throws {
      guard case .pending(let notice) = control else { throw WinsockError.invalidArgument }
      notice.whenComplete { [self] failure in
        outcomes.withLock { $0.append(failure) }
        arrived.signal()
      }
    }

    var isEmpty: Bool { outcomes.withLock { $0.isEmpty } }
    func wait() -> [WinsockError?] {
      #expect(arrived.wait(timeout: .now() + 20) == .success)
      return outcomes.withLock { $0 }
    }
  }

  private let change = SIO_NSP_NOTIFY_CHANGE

  @Test("NSP-183 NSP-184 a lookup over two providers, and an unknown code, are refused; so is one that has ended")
  func refusals() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b", "version1-no-ioctl", "version1-short")
    let client = try scripted.open()
    let both = try open(scripted, client, at: nil)
    #expect(throws: WinsockError.invalidArgument) { try both.control(change, waits: false) }
    both.end()
    #expect(throws: WinsockError.invalidHandle) { try both.control(change, waits: false) }
    let one = try open(scripted, client, at: "scripted-a")
    #expect(throws: WinsockError.operationNotSupported) { try one.control(0x1234, waits: false) }
    one.end()
    // NSP-105: a table that ends before NSPIoctl, or has none there.
    for provider in ["version1-no-ioctl", "version1-short"] {
      let lookup = try open(scripted, client, at: provider)
      #expect(throws: WinsockError.operationNotSupported) { try lookup.control(change, waits: false) }
      #expect(throws: WinsockError.operationNotSupported) { try lookup.control(change, waits: true) }
      lookup.end()
    }
    scripted.finish()
  }

  @Test(
    "NSP-185 a poll says whether anything was registered since Begin or the last Next", arguments: ["scripted-a", "version1"])
  func polling(provider: String) throws {
    let scripted = try ScriptedHost("scripted-a", "version1")
    let client = try scripted.open()
    let lookup = try open(scripted, client, at: provider)
    #expect(throws: WinsockError.wouldBlock) { try lookup.control(change, waits: false) }
    try register(scripted, client)
    for _ in 0..<2 { #expect(throws: Never.self) { try lookup.control(change, waits: false) } }
    _ = try lookup.next()
    #expect(throws: WinsockError.wouldBlock) { try lookup.control(change, waits: false) }
    // What fails changes nothing.
    try register(scripted, client, "set-fail-10013")
    #expect(throws: WinsockError.wouldBlock) { try lookup.control(change, waits: false) }
    lookup.end()
    scripted.finish()
  }

  @Test(
    "NSP-186 who waits is told of the next change, once; of one that was there at once", arguments: ["scripted-a", "version1"])
  func waiting(provider: String) throws {
    let scripted = try ScriptedHost("scripted-a", "version1")
    let client = try scripted.open()
    let lookup = try open(scripted, client, at: provider)
    let first = try Outcome(try lookup.control(change, waits: true))
    let second = try Outcome(try lookup.control(change, waits: true))
    #expect(first.isEmpty)
    try register(scripted, client)
    try register(scripted, client)
    #expect(first.wait() == [nil] && second.wait() == [nil])
    if provider == "version1" {
      // Its own answer: it has changed already.
      guard case .done(let output) = try lookup.control(change, waits: true) else { throw WinsockError.ioPending }
      #expect(output.isEmpty)
    } else {
      #expect(try Outcome(try lookup.control(change, waits: true)).wait() == [nil])
    }
    _ = try lookup.next()
    let third = try Outcome(try lookup.control(change, waits: true))
    #expect(third.isEmpty)
    try register(scripted, client)
    #expect(third.wait() == [nil])
    lookup.end()
    scripted.finish()
  }

  @Test(
    "NSP-187 the end of the lookup, and of its client, ends the wait with WSA_OPERATION_ABORTED",
    arguments: ["scripted-a", "version1"])
  func aborting(provider: String) throws {
    let scripted = try ScriptedHost("scripted-a", "version1")
    let client = try scripted.open()
    let lookup = try open(scripted, client, at: provider)
    let waits = try (0..<16).map { _ in try Outcome(try lookup.control(change, waits: true)) }
    #expect(throws: WinsockError.noBuffers) { try lookup.control(change, waits: true) }
    lookup.end()
    for wait in waits { #expect(wait.wait() == [.operationAborted]) }
    let other = try scripted.open("other")
    let last = try Outcome(try open(scripted, other, at: provider).control(change, waits: true))
    try scripted.hangUp(other, .lost)
    #expect(last.wait() == [.operationAborted])
    // Nobody is told twice, and nothing is written where nothing is any more.
    try register(scripted, client)
    scripted.finish()
  }

  @Test("a provider that goes is a change")
  func detaching() throws {
    let scripted = try ScriptedHost("scripted-a", "version1")
    let client = try scripted.open()
    for provider in ["scripted-a", "version1"] {
      let wait = try Outcome(try open(scripted, client, at: provider).control(change, waits: true))
      try scripted.host.disable(try scripted.id(provider))
      #expect(wait.wait() == [nil])
    }
    scripted.finish()
  }

  @Test("NSPIoctl is reached with its buffers")
  func buffers() throws {
    let scripted = try ScriptedHost("version1")
    let client = try scripted.open()
    let lookup = try open(scripted, client, at: "version1")
    guard case .done(let output) = try lookup.control(0x1234, input: [1, 2, 3], outputSize: 8, waits: false) else {
      throw WinsockError.ioPending
    }
    #expect(output == [3, 2, 1])
    #expect(throws: WinsockError.fault) { try lookup.control(0x1234, input: [1, 2, 3], outputSize: 2, waits: false) }
    #expect(throws: WinsockError.operationNotSupported) { try lookup.control(0x4321, waits: false) }
    lookup.end()
    scripted.finish()
  }

  @Test("End waits for a control that runs, and one that had no turn yet never runs")
  func controlAndEnd() throws {
    let scripted = try ScriptedHost(["version1"], sidecars: ["version1": "deadline-ms = 2000\n"])
    let client = try scripted.open()
    let count = try scripted.function("version1", "scripted_count", as: (@convention(c) (Int32) -> Int32).self)
    // A second reference keeps the file, so that it can still be asked.
    let file = try #require(dlopen(scripted.directory + "/version1.so", RTLD_NOW | RTLD_NOLOAD))
    defer { dlclose(file) }
    for _ in 0..<3 {
      let lookup = try open(scripted, client, at: "version1")
      let before = count(9)
      let group = DispatchGroup()
      for _ in 0..<4 {
        group.enter()
        Thread.detachNewThread {
          _ = try? lookup.control(0x1235, waits: false)
          group.leave()
        }
      }
      while count(9) == before { usleep(1000) }
      lookup.end()
      #expect(group.wait(timeout: .now() + 20) == .success)
    }
    // Both are gone before the file goes.
    scripted.host.stop()
    #expect(count(10) == 0)
    scripted.finish()
  }

  @Test("a provider that is slow to say that it will tell may tell later: what it was given is still there")
  func lateNotice() throws {
    let scripted = try ScriptedHost(["version1"], sidecars: ["version1": "deadline-ms = 100\n"])
    let client = try scripted.open()
    let lookup = try open(scripted, client, "slow-control", at: "version1")
    for _ in 0..<3 { #expect(throws: WinsockError.tryAgain) { try lookup.control(change, waits: true) } }
    usleep(400_000)
    try register(scripted, client)
    try register(scripted, client)
    lookup.end()
    scripted.finish()
  }

  @Test("what goes on and is no change has no end that could be told")
  func otherCodes() throws {
    let scripted = try ScriptedHost("version1")
    let client = try scripted.open()
    let lookup = try open(scripted, client, at: "version1")
    #expect(throws: WinsockError.operationNotSupported) { try lookup.control(0x1234, waits: true) }
    #expect(throws: WinsockError.systemCallFailure) { try lookup.control(0x1236, waits: false) }
    lookup.end()
    scripted.finish()
  }

  @Test("a registration that succeeds when nobody waits for it any more is a change, and is noted")
  func lateRegistration() throws {
    let scripted = try ScriptedHost(["scripted-a"], sidecars: ["scripted-a": "deadline-ms = 50\n"])
    let client = try scripted.open()
    let wait = try Outcome(try open(scripted, client, at: "scripted-a").control(change, waits: true))
    let registration = QuerySet(serviceInstanceName: "set-never", nameSpace: .dns)
    #expect(try scripted.host.engine.setService(client, registration, operation: .register).result == .tryAgain)
    #expect(wait.isEmpty && scripted.host.engine.registrations.registrations.isEmpty)
    let release = try scripted.function("scripted-a", "scripted_release", as: (@convention(c) () -> Int32).self)
    #expect(release() == 0)
    #expect(wait.wait() == [nil])
    #expect(scripted.host.engine.registrations.registrations.map(\.name) == ["set-never"])
    scripted.finish()
  }

  private typealias Changed = @convention(c) (UnsafePointer<GUID>?, UnsafePointer<CChar>?) -> Int32

  @Test("a provider says that something has changed: who polls or waits for the name, or for all, is told")
  func saying() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b")
    let client = try scripted.open()
    let changed = try scripted.function("scripted-a", "scripted_changed", as: Changed.self)
    let lookups = try ["records-1", "records-2", "records-*"].map { try open(scripted, client, $0, at: "scripted-a") }
    let other = try open(scripted, client, at: "scripted-b")
    let waits = try (lookups + [other]).map { try Outcome(try $0.control(change, waits: true)) }
    #expect(changed(nil, "RECORDS-1") == 0)
    #expect(waits[0].wait() == [nil] && waits[2].wait() == [nil] && waits[1].isEmpty && waits[3].isEmpty)
    #expect(throws: Never.self) { try lookups[0].control(change, waits: false) }
    #expect(throws: WinsockError.wouldBlock) { try lookups[1].control(change, waits: false) }
    #expect(try scripted.provider("scripted-a").changes.isComplete == false)
    #expect(changed(nil, nil) == 0)
    #expect(waits[1].wait() == [nil] && waits[3].isEmpty)
    #expect(throws: Never.self) { try lookups[1].control(change, waits: false) }
    #expect(throws: WinsockError.wouldBlock) { try other.control(change, waits: false) }
    #expect(try scripted.provider("scripted-a").changes.isComplete && !scripted.provider("scripted-b").changes.isComplete)
    for lookup in lookups + [other] { lookup.end() }
    #expect(waits[3].wait() == [.operationAborted])
    scripted.finish()
  }

  @Test("a provider speaks for itself: other ids, and what is no id or no text, are refused")
  func sayingForOthers() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b")
    let client = try scripted.open()
    let changed = try scripted.function("scripted-a", "scripted_changed", as: Changed.self)
    let lookup = try open(scripted, client, at: "scripted-b")
    for var id in [try scripted.id("scripted-b"), GUID(), GUID("0009abcd-4a6c-4f0e-9d0c-3a5be0c2b7a1")!] {
      #expect(changed(&id, nil) == WSAEINVALIDPROVIDER && changed(&id, "records-1") == WSAEINVALIDPROVIDER)
    }
    let badly = try scripted.function("scripted-a", "scripted_changed_badly", as: (@convention(c) () -> Int32).self)
    #expect(badly() == 1)
    #expect(throws: WinsockError.wouldBlock) { try lookup.control(change, waits: false) }
    lookup.end()
    scripted.finish()
  }

  @Test("registrations while others wait, end and are told: each wait ends once")
  func storm() throws {
    let scripted = try ScriptedHost("scripted-a", "version1")
    let client = try scripted.open()
    let ended = Locked<Int>(0)
    let isOver = Locked<Bool>(false)
    let group = DispatchGroup()
    for _ in 0..<2 {
      group.enter()
      Thread.detachNewThread {
        while !isOver.withLock({ $0 }) { try? register(scripted, client) }
        group.leave()
      }
    }
    let rounds = 300
    DispatchQueue.concurrentPerform(iterations: rounds) { index in
      guard let lookup = try? open(scripted, client, at: index % 2 == 0 ? "scripted-a" : "version1") else { return }
      if case .pending(let notice)? = try? lookup.control(change, waits: true) {
        notice.whenComplete { _ in ended.withLock { $0 += 1 } }
      } else {
        ended.withLock { $0 += 1 }
      }
      if index % 3 == 0 { usleep(1000) }
      lookup.end()
    }
    isOver.withLock { $0 = true }
    group.wait()
    #expect(ended.withLock { $0 } == rounds)
    scripted.finish()
  }
}
