import CWinsock
import CallManagement
import Foundation
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Rundown
import Testing

/// Loading a file anew that runs in a process of its own. The processes are none: what they would say is said here.
@Suite struct WorkerReloadTests {
  private final class FakeProcess: ProviderProcess {
    let hosting: ProviderHosting
    private let stops = Locked<Int>(0)

    init(_ processID: Int32) { hosting = ProviderHosting(.running, processID: processID) }

    var stopCount: Int { stops.withLock { $0 } }
    func stop() { stops.withLock { $0 += 1 } }
    func revive() -> Bool { true }
  }

  private final class FakeProcesses: ProviderProcesses {
    let host = ProviderHost(registrar: ModuleRegistrar(), calls: CoNDIS())
    let started = Locked<[FakeProcess]>([])
    let fails = Locked<Bool>(false)

    func start(_ image: ELFImage, at path: String, _ manifest: Manifest) throws(Refusal) -> any ProviderProcess {
      let process = FakeProcess(Int32(started.withLock { $0.count }) + 1)
      let isFirst = started.withLock { started in
        started.append(process)
        return started.count == 1
      }
      host.report(.process(ProviderHosting(.starting, processID: process.hosting.processID)), to: manifest.id)
      let refusal = Refusal(path: path, reason: .failedToLoad, detail: "it does not get ready", remedy: "mend it")
      if fails.withLock({ $0 }) { throw refusal }
      do {
        var table = NSPV2_ROUTINE()
        table.cbSize = UInt32(MemoryLayout<NSPV2_ROUTINE>.size)
        table.NSPv2LookupServiceBegin = { _, _, _, _, _ in -1 }
        table.NSPv2LookupServiceNextEx = { _, _, _, _, _ in }
        table.NSPv2LookupServiceEnd = { _ in 0 }
        table.NSPv2SetServiceEx = { _, _, _, _, _, _ in }
        let routines = try DirectRoutines(completing: &table, allowsPartial: false) { _, _ in }
        try host.advertise(manifest.id, routines, mayReplace: !isFirst)
      } catch { throw refusal }
      host.report(.process(process.hosting), to: manifest.id)
      return process
    }
  }

  @Test("a reload that fails leaves the process that serves; one that works replaces it, and the former one is stopped once")
  func reload() throws {
    let processes = FakeProcesses()
    let host = processes.host
    let directory = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try FileManager.default.copyItem(atPath: "\(fixturesDirectory)/scripted-a.so", toPath: "\(directory)/scripted-a.so")
    host.isolate(.worker, isForced: true, in: processes)
    host.load(from: [directory])
    let id = try #require(host.catalog.entries.first?.id)
    let first = try #require(host.catalog[id]?.provider)
    #expect(host.catalog[id]?.hosting?.processID == 1)

    processes.fails.withLock { $0 = true }
    #expect(throws: ProviderHost.ChangeFailure.self) { try host.reload(id) }
    #expect(host.catalog[id]?.provider === first && host.catalog[id]?.failure == nil)
    #expect(host.catalog[id]?.hosting == ProviderHosting(.running, processID: 1))
    #expect(processes.started.withLock { $0.map(\.stopCount) } == [0, 0])

    processes.fails.withLock { $0 = false }
    try host.reload(id)
    let second = try #require(host.catalog[id]?.provider)
    #expect(second !== first && first.isReplaced && first.calls.isClosed)
    #expect(host.catalog[id]?.hosting?.processID == 3)
    #expect(processes.started.withLock { $0.map(\.stopCount) } == [1, 0, 0])

    try host.unload(id)
    #expect(host.catalog[id]?.provider == nil && host.catalog[id]?.hosting == nil && host.catalog[id]?.awaitedProcess == nil)
    #expect(processes.started.withLock { $0.map(\.stopCount) } == [1, 0, 1])
    try host.enable(id)
    #expect(host.catalog[id]?.provider != nil && host.catalog[id]?.hosting?.processID == 4)
    host.stop()
    #expect(processes.started.withLock { $0.map(\.stopCount) } == [1, 0, 1, 1])
    #expect(host.registrar.snapshot.interfaces.allSatisfy { $0.providers.isEmpty })
  }
}
