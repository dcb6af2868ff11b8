import CWinsock
import Glibc
import NSPClient
import Providers
import QuerySets
import Rundown
import Testing

@Suite struct NameServiceTests {
  @Test("records of a lookup are an asynchronous sequence; the end, a failure and a second pass are as one expects")
  func records() async throws {
    let served = try ServedHost("scripted-a", "scripted-b")
    do {
      let service = NameService(socket: served.server.path)
      var names: [String?] = []
      let records = service.lookup(QuerySet(serviceInstanceName: "records-3", nameSpace: .dns))
      for try await record in records { names.append(record.serviceInstanceName) }
      #expect(names.count == 6)
      for try await _ in records.prefix(1) { names.append(nil) }
      #expect(names.count == 7)
      await #expect(throws: WinsockError.noData) {
        for try await _ in service.lookup(QuerySet(serviceInstanceName: "begin-fail-11004", nameSpace: .dns)) {}
      }
      #expect(try await service.providers().map(\.name) == ["scripted-a", "scripted-b"])
      await #expect(throws: WinsockError.invalidArgument) { try await service.setService(QuerySet(), .register) }
    }
    try served.wait("the session ends") { served.host.sessions.sessions.isEmpty }
    let figures = try #require(served.host.ledger.first?.figures)
    #expect(figures.startups == 1 && figures.cleanups == 1, "it said goodbye")
    served.finish()
  }

  @Test("what nobody has is serviceNotFound, and tryAgain while a provider that may have it is down")
  func outages() async throws {
    let served = try ServedHost("scripted-a", "scripted-b")
    do {
      let service = NameService(socket: served.server.path)
      await #expect(throws: WinsockError.serviceNotFound) {
        for try await _ in service.lookup(QuerySet(serviceInstanceName: "records-0", nameSpace: .dns)) {}
      }
      let id = GUID("2c54f3a1-0b6e-4c8d-9f17-6d3e5a90b4c2")!
      try served.host.catalog.install(Manifest(id: id, displayName: "away", nameSpace: .dns))
      served.host.report(.loading(path: "away.so", continuing: nil), to: id)
      for state in [ProviderHosting.State.starting, .restarting, .quarantined] {
        served.host.report(.process(ProviderHosting(state)), to: id)
        for provider in [nil, id] {
          await #expect(throws: WinsockError.tryAgain) {
            for try await _ in service.lookup(QuerySet(serviceInstanceName: "records-0", nameSpace: .dns, providerID: provider)) {
            }
          }
        }
        var changes = service.changes(of: QuerySet(serviceInstanceName: "records-0", nameSpace: .dns, providerID: id))
          .makeAsyncIterator()
        await #expect(throws: WinsockError.tryAgain) { _ = try await changes.next() }
      }
    }
    try served.wait("the session ends") { served.host.sessions.sessions.isEmpty }
    served.finish()
  }

  @Test("100 tasks share a connection")
  func tasks() async throws {
    let served = try ServedHost("scripted-a")
    do {
      let service = NameService(socket: served.server.path)
      let found = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<100 {
          group.addTask {
            var count = 0
            for try await _ in service.lookup(QuerySet(serviceInstanceName: "records-2", nameSpace: .dns)) { count += 1 }
            return count
          }
        }
        return try await group.reduce(0, +)
      }
      #expect(found == 200 && served.server.connectionCount == 1)
    }
    try served.wait("the session ends") { served.host.sessions.sessions.isEmpty }
    served.finish()
  }

  @Test("cancelling the task cancels the call that it waits in")
  func cancellation() async throws {
    let served = try ServedHost("scripted-a")
    let service = NameService(socket: served.server.path)
    let task = Task {
      for try await _ in service.lookup(QuerySet(serviceInstanceName: "late", nameSpace: .dns)) {}
    }
    try await Task.sleep(for: .milliseconds(100))
    let start = ContinuousClock.now
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(ContinuousClock.now - start < .seconds(3), "not at the provider's deadline")
    served.server.stop(deadline: .milliseconds(100))
    served.host.stop()
  }

  /// How often a fixture was asked.
  private func begins(_ served: ServedHost) throws -> Int32 {
    let file = try #require(dlopen(served.directory + "/scripted-a.so", RTLD_NOW | RTLD_NOLOAD))
    defer { dlclose(file) }
    return unsafeBitCast(try #require(dlsym(file, "scripted_count")), to: (@convention(c) (Int32) -> Int32).self)(2)
  }

  /// Waits without keeping the thread: the tasks that are waited for need it. Tests that run beside this one may keep all threads of tasks
  /// for as long as they take.
  private func eventually(_ what: String, _ condition: () throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(300)
    while try !condition() {
      guard ContinuousClock.now < end else {
        Issue.record("waited too long: \(what)")
        throw WinsockError.timedOut
      }
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  @Test("a provider that promises nothing is asked every second; one that says its changes, when there is one")
  func following() async throws {
    let served = try ServedHost("scripted-a")
    let service = NameService(socket: served.server.path)
    let provider = try #require(served.host.catalog.entries.first?.provider)
    let query = QuerySet(serviceInstanceName: "records-1", nameSpace: .dns, providerID: provider.id)
    let seen = Locked(0)
    let task = Task {
      for try await records in service.changes(of: query) {
        #expect(records.count == 1)
        seen.withLock { $0 += 1 }
      }
    }
    try await eventually("it is asked again though nobody has said anything") { try begins(served) >= 3 }
    let before = try begins(served)
    provider.said(nil)
    try await eventually("it is asked when it says so") { try begins(served) > before }
    // The wait that had begun before ends once more; then nothing happens for longer than a second.
    var settled = try begins(served)
    for _ in 0..<20 {
      try await Task.sleep(for: .milliseconds(2500))
      let now = try begins(served)
      if now == settled { break }
      settled = now
    }
    #expect(try begins(served) == settled, "it has promised to say every change")
    provider.said("records-2")
    provider.said("records-1")
    try await eventually("it is asked for what it names") { try begins(served) > settled }
    #expect(seen.withLock { $0 } == 1, "nothing was another than before")
    task.cancel()
    _ = await task.result
    served.server.stop()
    served.host.stop()
  }

  @Test("a host that is gone is networkDown; one that comes back is found")
  func comesBack() async throws {
    let first = try ServedHost("scripted-a")
    let service = NameService(socket: first.server.path)
    #expect(try await service.providers().count == 1)
    first.server.stop()
    await #expect(throws: WinsockError.networkDown) { _ = try await service.providers() }
    let server = try HostAgain(first)
    #expect(try await service.providers().count == 1)
    server.server.stop()
    first.finish()
  }
}
