import CWinsock
import Foundation
import Hosting
import Providers
import QuerySets
import Sessions
import Testing

/// Version 1 providers, as the engine serves them.
@Suite struct Version1Tests {
  private func count(_ scripted: ScriptedHost, _ name: String, _ routine: Int32) throws -> Int32 {
    typealias Count = @convention(c) (Int32) -> Int32
    return try scripted.function(name, "scripted_count", as: Count.self)(routine)
  }

  private func refusal(_ scripted: ScriptedHost, _ name: String) -> Refusal? {
    for candidate in scripted.host.candidates where candidate.path.hasSuffix("/\(name).so") {
      if case .refused(let refusal) = candidate.state { return refusal }
    }
    return nil
  }

  @Test("a record that leads nowhere, or out of the block that it was given, is refused", arguments: ["offset", "overrun"])
  func brokenRecord(what: String) throws {
    let scripted = try ScriptedHost("version1")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "broken-\(what)").end == .systemCallFailure)
    #expect(try scripted.lookup(client, "inside").records.first?.comment?.hasSuffix("xxx") == true)
    scripted.finish()
  }

  @Test("NSP-104 NSP-107 it is started once, whoever comes and goes, and cleaned up once, when it is unloaded")
  func startup() throws {
    let scripted = try ScriptedHost("version1", "version1-short")
    for number in 0..<3 {
      let client = try scripted.open("client \(number)")
      #expect(try scripted.lookup(client, "records-2", at: "version1").records.count == 2)
      #expect(try scripted.lookup(client, "records-2", at: "version1-short").records.count == 2)
      try scripted.hangUp(client, .remote)
    }
    #expect(try count(scripted, "version1", 0) == 1 && count(scripted, "version1", 1) == 0)
    // A second reference keeps the file, so that it can still be asked.
    let file = try #require(dlopen(scripted.directory + "/version1.so", RTLD_NOW | RTLD_NOLOAD))
    defer { dlclose(file) }
    typealias Count = @convention(c) (Int32) -> Int32
    let counts = unsafeBitCast(try #require(dlsym(file, "scripted_count")), to: Count.self)
    try scripted.host.disable(try scripted.id("version1"))
    #expect(counts(0) == 1 && counts(1) == 1)
    scripted.finish()
    #expect(counts(1) == 1)
  }

  @Test(
    "NSP-106 NSP-108 NSP-109 a table that lacks a routine or is too short, or a failed startup, makes it useless, and says why")
  func defects() throws {
    let scripted = try ScriptedHost("version1-missing", "version1-too-short", "version1-fails", "version1-partial")
    #expect(refusal(scripted, "version1-missing")?.detail.contains("no NSPSetService in the table: WSAEINVALIDPROCTABLE") == true)
    #expect(refusal(scripted, "version1-too-short")?.detail.contains("a table of 79 bytes: WSAEINVALIDPROCTABLE") == true)
    #expect(refusal(scripted, "version1-fails")?.detail == "its NSPStartup answered WSASYSNOTREADY (10091)")
    let client = try scripted.open()
    for entry in scripted.host.catalog.entries where entry.manifest.displayName != "version1-partial" {
      let query = QuerySet(serviceInstanceName: "records-1", nameSpace: .dns, providerID: entry.id)
      #expect(throws: WinsockError.providerFailedInit) { try scripted.host.engine.begin(client, query, flags: .returnAll) }
    }
    // With allow-partial what is missing is a stub.
    #expect(try scripted.lookup(client, "records-1").records.count == 1)
    let registration = QuerySet(serviceInstanceName: "x", nameSpace: .dns)
    let outcomes = try scripted.host.engine.setService(client, registration, operation: .register)
    #expect(outcomes.map(\.failure) == [.operationNotSupported])
    scripted.finish()
  }

  @Test(
    "NSP-110 NSP-114 its Begin gets a query set of its own version, with the class; its records stand in catalog order with others"
  )
  func lookups() throws {
    let scripted = try ScriptedHost("scripted-a", "version1")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "records-3").records.count == 6)
    let serviceClass = GUID("0009abcd-0000-0000-c000-000000000046")!
    let provider = try scripted.id("version1")
    for (asked, seen) in [(serviceClass, "9abcd"), (nil, "2a803")] as [(GUID?, String)] {
      let query = QuerySet(serviceInstanceName: "records-1", serviceClassID: asked, nameSpace: .dns, providerID: provider)
      let lookup = try scripted.host.engine.begin(client, query, flags: .returnAll)
      let record = try lookup.next()
      #expect(record.comment == seen && record.providerID == provider && record.serviceInstanceName == "record-0")
      #expect(throws: LookupError.failed(.noMore)) { try lookup.next() }
      lookup.end()
    }
    scripted.finish()
  }

  @Test("codes come through: from Begin, from Next, from SetService; a buffer that is too small grows")
  func codes() throws {
    let scripted = try ScriptedHost("version1")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "begin-fail-11004").end == .noData)
    #expect(try scripted.lookup(client, "next-fail-11002").end == .tryAgain)
    let grown = try scripted.lookup(client, "fault-70000")
    #expect(grown.records.count == 1 && grown.end == .noMore)
    func set(_ name: String) throws -> [WinsockError?] {
      try scripted.host.engine.setService(client, QuerySet(serviceInstanceName: name, nameSpace: .dns), operation: .register)
        .map(\.failure)
    }
    #expect(try set("x") == [nil] && set("set-fail-10013") == [.accessDenied] && count(scripted, "version1", 5) == 2)
    scripted.finish()
  }

  @Test("NSP-113 a Next that waits holds up no other lookup where its manifest lets them in, and End makes it return")
  func waiting() throws {
    let scripted = try ScriptedHost("version1", "scripted-a", sidecars: ["version1": "concurrency = 64\n"])
    let client = try scripted.open()
    let provider = try scripted.id("version1")
    let query = QuerySet(serviceInstanceName: "wait-30000", nameSpace: .dns, providerID: provider)
    let lookups = try (0..<70).map { _ in try scripted.host.engine.begin(client, query, flags: .returnAll) }
    let group = DispatchGroup()
    let ended = Ended()
    for lookup in lookups {
      group.enter()
      Thread.detachNewThread {
        do throws(LookupError) { _ = try lookup.next() } catch { ended.add(error.winsockError) }
        group.leave()
      }
    }
    while try count(scripted, "version1", 3) < 64 { usleep(1000) }
    #expect(try scripted.lookup(client, "records-2", at: "scripted-a").records.count == 2)
    for lookup in lookups { lookup.end() }
    #expect(group.wait(timeout: .now() + 20) == .success)
    #expect(ended.codes.count == 70 && ended.codes.allSatisfy { $0 == .cancelled })
    #expect(try scripted.lookup(client, "records-2", at: "version1").records.count == 2)
    scripted.finish()
  }

  private final class Ended: @unchecked Sendable {
    // Unchecked: under the lock alone.
    private let lock = NSLock()
    private var all: [WinsockError] = []

    func add(_ code: WinsockError) { lock.withLock { all.append(code) } }
    var codes: [WinsockError] { lock.withLock { all } }
  }

  @Test("a file with both versions is asked by version 2; version 1 is started and cleaned up beside it")
  func both() throws {
    let scripted = try ScriptedHost("version1-both")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "records-1").end == .noData)
    #expect(try count(scripted, "version1-both", 0) == 1 && count(scripted, "version1-both", 2) == 0)
    #expect(try scripted.provider("version1-both").routines.entry(.lookupServiceBegin) == .direct)
    scripted.finish()
  }
}
