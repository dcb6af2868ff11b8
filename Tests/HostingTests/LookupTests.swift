import CWinsock
import Dispatch
import Foundation
import Hosting
import Providers
import QuerySets
import Rundown
import Sessions
import Testing

/// Lookups over several providers (nsp.md §8.2 to §8.5, §9, §13.2).
@Suite struct LookupTests {
  @Test("NSP-148 NSP-150 records of three providers are concatenated in catalog order, duplicates included")
  func concatenation() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b", "scripted-c")
    let ids = try ["scripted-a", "scripted-b", "scripted-c"].map { try scripted.id($0) }
    let (records, end) = try scripted.lookup(try scripted.open(), "records-2", in: .all)
    #expect(records.map(\.providerID) == [ids[0], ids[0], ids[1], ids[1], ids[2], ids[2]])
    #expect(end == .noMore)
    scripted.finish()
  }

  @Test(
    "NSP-142 NSP-143 NSP-144 NSP-147 a provider is named by id, whatever the name space; unknown and disabled ones are errors")
  func byID() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "records-1", in: .email, at: "scripted-b").records.count == 1)
    #expect(throws: WinsockError.invalidArgument) {
      _ = try scripted.host.engine.begin(client, QuerySet(serviceInstanceName: "x", providerID: .zero), flags: [])
    }
    let id = try scripted.id("scripted-b")
    try scripted.host.disable(id)
    #expect(throws: WinsockError.serviceNotFound) {
      _ = try scripted.host.engine.begin(client, QuerySet(serviceInstanceName: "x", providerID: id), flags: [])
    }
    #expect(try scripted.lookup(client, "records-1", in: NameSpace(rawValue: 60)).end == .serviceNotFound)
    scripted.finish()
  }

  @Test("NSP-151 NSP-152 a provider whose Begin fails is left out; if all fail, Begin fails with the answer of them all")
  func failingBegins() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b", "startup-every-second")
    #expect(try scripted.lookup(try scripted.open(), "records-1").records.count == 2)
    #expect(try scripted.lookup(try scripted.open(), "begin-fail-11004").end == .noData)
    scripted.finish()
  }

  @Test("NSP-153 NSP-154 a failure after a record ends that provider only, and the lookup with WSA_E_NO_MORE")
  func failureAfterRecord() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b")
    let (records, end) = try scripted.lookup(try scripted.open(), "second-fail-11003")
    #expect(records.count == 2 && end == .noMore)
    scripted.finish()
  }

  @Test("NSP-155 NSP-156 without a record the answer of all of them is the end, and WSA_E_NO_MORE from then on")
  func endCodes() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b")
    let lookup = try scripted.host.engine.begin(
      try scripted.open(), QuerySet(serviceInstanceName: "next-fail-11003", nameSpace: .dns), flags: .returnAll)
    #expect(throws: LookupError.failed(.noRecovery)) { try lookup.next() }
    for _ in 0..<3 { #expect(throws: LookupError.failed(.noMore)) { try lookup.next() } }
    lookup.end()
    #expect(throws: LookupError.failed(.invalidHandle), "NSP-157") { try lookup.next() }
    scripted.finish()
  }

  @Test("NSP-076 a NextEx that is never completed gives WSATRY_AGAIN at the deadline; others are served; End was called")
  func never() throws {
    let scripted = try ScriptedHost(
      "scripted-a", sidecars: ["scripted-a": "deadline-ms = 30\nnamespace = \"dns\"\nname = \"scripted-a\""])
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "never").end == .tryAgain)
    #expect(try scripted.provider("scripted-a").ledger.figures.lateCalls == 1)
    typealias Release = @convention(c) () -> Int32
    #expect(try scripted.function("scripted-a", "scripted_release", as: Release.self)() == 0, "NSP-077")
    #expect(try scripted.lookup(client, "records-1").records.count == 1)
    #expect(try scripted.hangUp(client, .remote))
    #expect(try scripted.count("scripted-a", .cleanup) == 1)
    scripted.finish()
  }

  @Test("NSP-160 NSP-138 End on another thread makes a waiting Next answer at once", arguments: ["scripted-a", "blocking"])
  func cancel(name: String) throws {
    let scripted = try ScriptedHost("scripted-a", "blocking")
    let lookup = try scripted.host.engine.begin(
      try scripted.open(),
      QuerySet(serviceInstanceName: name == "blocking" ? "sleep-1500" : "async-1500", providerID: try scripted.id(name)),
      flags: .returnAll)
    let answered = DispatchSemaphore(value: 0)
    Thread {
      #expect(throws: LookupError.failed(.cancelled)) { try lookup.next() }
      answered.signal()
    }.start()
    while try scripted.count(name, .lookupServiceNextEx) == 0 { sched_yield() }
    if name == "scripted-a" { lookup.end() } else { HostThreads.run { lookup.end() } }
    #expect(answered.wait(timeout: .now() + 1) == .success)
    scripted.finish()
  }

  @Test("an End waits for the NextEx of a provider that does not say that it waits, up to the deadline", arguments: [30, 5000])
  func endBehindNext(milliseconds: Int) throws {
    let scripted = try ScriptedHost(["scripted-a"], sidecars: ["scripted-a": "deadline-ms = \(milliseconds)\n"])
    let lookup = try scripted.host.engine.begin(
      try scripted.open(), QuerySet(serviceInstanceName: "sleep-1000", nameSpace: .dns), flags: .returnAll)
    let returned = DispatchSemaphore(value: 0)
    Thread {
      #expect(throws: LookupError.self) { try lookup.next() }
      returned.signal()
    }.start()
    while try scripted.count("scripted-a", .lookupServiceNextEx) == 0 { sched_yield() }
    lookup.end()
    #expect(try scripted.count("scripted-a", .lookupServiceEnd) == 0)
    let ended = { try scripted.count("scripted-a", .lookupServiceEnd) == 1 }
    if milliseconds < 1000 {
      while try !ended() { sched_yield() }
      #expect(returned.wait(timeout: .now()) == .timedOut, "the routine is still inside")
    }
    returned.wait()
    while try !ended() { sched_yield() }
    scripted.finish()
  }

  /// How long a provider took, as the lookup says.
  private func took(_ lookup: Lookup) throws -> Duration {
    guard case .asked(_, _, let took)? = lookup.trace.lines.first?.verdict else { throw WinsockError.invalidArgument }
    return took
  }

  @Test("what a provider took runs from the call to its completion, on whatever thread", arguments: ["async-150", "sleep-150"])
  func durations(name: String) throws {
    let scripted = try ScriptedHost("scripted-a")
    let lookup = try scripted.host.engine.begin(
      try scripted.open(), QuerySet(serviceInstanceName: name, nameSpace: .dns), flags: .returnName)
    #expect(try took(lookup) < .milliseconds(100))
    _ = try lookup.next()
    #expect(try took(lookup) >= .milliseconds(150))
    // Not what the client does meanwhile.
    let before = try took(lookup)
    Thread.sleep(forTimeInterval: 0.1)
    #expect(try took(lookup) == before)
    lookup.end()
    scripted.finish()
  }

  @Test("a call that is given up took until then, and one that goes on takes longer and longer")
  func unfinishedDurations() throws {
    let scripted = try ScriptedHost(["scripted-a"], sidecars: ["scripted-a": "deadline-ms = 200\n"])
    let lookup = try scripted.host.engine.begin(
      try scripted.open(), QuerySet(serviceInstanceName: "never", nameSpace: .dns), flags: .returnName)
    let answered = DispatchSemaphore(value: 0)
    Thread {
      #expect(throws: LookupError.failed(.tryAgain)) { try lookup.next() }
      answered.signal()
    }.start()
    while try scripted.count("scripted-a", .lookupServiceNextEx) == 0 { sched_yield() }
    let first = try took(lookup)
    Thread.sleep(forTimeInterval: 0.02)
    #expect(try took(lookup) >= first + .milliseconds(20))
    #expect(answered.wait(timeout: .now() + 10) == .success)
    let last = try took(lookup)
    #expect(last >= .milliseconds(200) && last < .seconds(5))
    #expect(try took(lookup) == last)
    lookup.end()
    scripted.finish()
  }

  @Test("NSP-161 8 threads calling Next on one lookup get each record exactly once between them")
  func concurrentNexts() throws {
    let scripted = try ScriptedHost("scripted-a")
    let lookup = try scripted.host.engine.begin(
      try scripted.open(), QuerySet(serviceInstanceName: "records-60", nameSpace: .dns), flags: .returnName)
    let names = Locked<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      while let record = try? lookup.next() { names.withLock { $0.append(record.serviceInstanceName ?? "") } }
    }
    let all = names.withLock { $0 }
    #expect(all.count == 60 && Set(all).count == 60)
    lookup.end()
    scripted.finish()
  }

  @Test("NSP-168 NSP-170 NSP-171 a record that does not fit is kept, with its size; LUP_FLUSHPREVIOUS drops it")
  func keptRecord() throws {
    let scripted = try ScriptedHost("scripted-a")
    let lookup = try scripted.host.engine.begin(
      try scripted.open(), QuerySet(serviceInstanceName: "records-3", nameSpace: .dns), flags: .returnAll)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
    defer { buffer.deallocate() }
    buffer.initializeMemory(as: UInt8.self, repeating: 0xEE)
    var needed = 0
    do throws(LookupError) {
      try lookup.next(into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
    } catch {
      if case .bufferTooSmall(let size) = error { needed = size }
    }
    #expect(needed > 120 && needed < 4096)
    #expect(throws: LookupError.bufferTooSmall(needed: needed)) {
      try lookup.next(into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<needed - 1]))
    }
    #expect(buffer.allSatisfy { $0 == 0xEE }, "NSP-169")
    try lookup.next(into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<needed]))
    #expect(throws: LookupError.bufferTooSmall(needed: needed)) {
      try lookup.next(into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
    }
    #expect(try lookup.next(.flushPrevious).serviceInstanceName == "record-02")
    #expect(throws: LookupError.failed(.noMore)) { try lookup.next() }
    lookup.end()
    scripted.finish()
  }

  @Test("NSP-163 NSP-165 members that were not asked for are absent")
  func narrowing() throws {
    let scripted = try ScriptedHost("scripted-a")
    let lookup = try scripted.host.engine.begin(
      try scripted.open(), QuerySet(serviceInstanceName: "records-2", nameSpace: .dns), flags: .returnAll)
    let record = try lookup.next(.returnName)
    #expect(record.serviceInstanceName != nil && record.addresses.isEmpty)
    #expect(try lookup.next(.returnAddress).serviceInstanceName == nil)
    lookup.end()
    scripted.finish()
  }

  @Test("NSP-227 NSP-230 NSP-231 NSP-232 NSP-233 e-mail names go to the primary, then down the chain")
  func mail() throws {
    let scripted = try ScriptedHost("mail-primary", "mail-secondary", "mail-wildcard")
    let client = try scripted.open()
    func providers(_ name: String, _ flags: LookupFlags = []) throws -> [String] {
      let lookup = try scripted.host.engine.begin(
        client, QuerySet(serviceInstanceName: name, nameSpace: .email), flags: flags.union(.returnAll))
      defer { lookup.end() }
      var found: [String] = []
      while let record = try? lookup.next() {
        found.append(scripted.host.catalog.entries.first { $0.id == record.providerID }!.manifest.displayName)
      }
      return found
    }
    #expect(try providers("someone@EXAMPLE.org") == ["mail-primary"])
    #expect(try providers("someone@sub.example.org") == ["mail-wildcard"])
    #expect(try providers("someone") == ["mail-wildcard"])
    #expect(try providers("someone@example.org", .nonAuthoritative) == ["mail-primary", "mail-secondary", "mail-wildcard"])
    #expect(try scripted.count("mail-secondary", .lookupServiceBegin) == 1, "the chain stops at the first that answers")
    try scripted.host.disable(try scripted.id("mail-primary"))
    #expect(try providers("someone@example.org") == ["mail-secondary"], "NSP-228")
    scripted.finish()
  }

  @Test("NSP-229 NSP-235 the secondary answers when the primary has no data; of two primaries the first in the catalog counts")
  func mailFallback() throws {
    let scripted = try ScriptedHost(
      "mail-primary", "mail-secondary", "scripted-a",
      sidecars: [
        "scripted-a": "name = \"other-primary\"\nnamespace = \"email\"\ndomains = [\"example.org=primary\"]"
      ])
    let client = try scripted.open()
    let (records, end) = try scripted.lookup(client, "unless-mail-secondary@example.org", in: .email)
    #expect(records.map(\.providerID) == [try scripted.id("mail-secondary")] && end == .noMore)
    #expect(try scripted.lookup(client, "records-1@example.org", in: .email).records.count == 1)
    #expect(try scripted.count("scripted-a", .lookupServiceBegin) == 0)
    scripted.finish()
  }

  @Test("the trace says who was asked or skipped, why, and with what status")
  func trace() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b", "mail-primary")
    try scripted.host.disable(try scripted.id("scripted-b"))
    let lookup = try scripted.host.engine.begin(
      try scripted.open(), QuerySet(serviceInstanceName: "next-fail-11003", nameSpace: .dns), flags: .returnAll)
    _ = try? lookup.next()
    let lines = lookup.trace.lines
    #expect(lines.map(\.provider) == ["mail-primary", "scripted-a", "scripted-b"])
    #expect(lines[0].verdict == .skipped(.otherNameSpace))
    if case .asked(let status, let results, _) = lines[1].verdict {
      #expect(status == .noRecovery && results == 0)
    } else {
      Issue.record("scripted-a was asked")
    }
    #expect(lines[2].verdict == .skipped(.disabled))
    lookup.end()
    scripted.finish()
  }
}

/// Registrations (nsp.md §5.7, §8.6).
@Suite struct RegistrationTests {
  private func register(_ scripted: ScriptedHost, _ name: String, in space: NameSpace = .dns) throws -> [RegistrationOutcome] {
    try scripted.host.engine.setService(
      try scripted.open(), QuerySet(serviceInstanceName: name, nameSpace: space), operation: .register)
  }

  @Test("NSP-179 NSP-180 a registration reaches every provider; one success is success; else the first real failure")
  func several() throws {
    let scripted = try ScriptedHost("scripted-a", "only-three", "mail-wildcard")
    #expect(try register(scripted, "x", in: .all).result == nil)
    #expect(try register(scripted, "set-fail-10013").result == .accessDenied)
    #expect(try register(scripted, "set-async-20").result == nil)
    scripted.finish()
  }

  @Test("NSP-090 NSP-181 the code of a single provider comes through unchanged")
  func single() throws {
    let scripted = try ScriptedHost("scripted-a")
    #expect(try register(scripted, "set-fail-11001").result == .hostNotFound)
    scripted.finish()
  }

  @Test("NSP-182 a provider that never completes gives WSATRY_AGAIN at its deadline, and is given up when the host stops")
  func never() throws {
    let scripted = try ScriptedHost(
      "scripted-a", sidecars: ["scripted-a": "deadline-ms = 30\nnamespace = \"dns\"\nname = \"scripted-a\""])
    #expect(try register(scripted, "set-never").result == .tryAgain)
    scripted.finish()
  }

  @Test("NSP-234 an e-mail registration goes to the first of the chain that takes it")
  func mail() throws {
    let scripted = try ScriptedHost("mail-primary", "mail-secondary")
    #expect(try register(scripted, "a@example.org", in: .email).map(\.name) == ["mail-primary"])
    #expect(try scripted.count("mail-secondary", .setServiceEx) == 0)
    scripted.finish()
  }

  @Test("NSP-177 a registration without a name is refused")
  func nameless() throws {
    let scripted = try ScriptedHost("scripted-a")
    #expect(throws: WinsockError.invalidArgument) {
      _ = try scripted.host.engine.setService(try scripted.open(), QuerySet(nameSpace: .dns), operation: .register)
    }
    scripted.finish()
  }
}
