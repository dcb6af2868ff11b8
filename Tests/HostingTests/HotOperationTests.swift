import CWinsock
import Dispatch
import Foundation
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Sessions
import Synchronization
import Testing

/// Changing providers while calls run: real files, really mapped and unmapped.
@Suite(.serialized) struct HotOperationTests {
  func wait(_ what: String, _ scripted: ScriptedHost? = nil, until condition: () throws -> Bool) throws {
    let end = ContinuousClock.now + .seconds(15)
    while try !condition() {
      guard ContinuousClock.now < end else {
        let states = scripted?.host.candidates.map { "\($0.path): \($0.state)" } ?? []
        let kept = MappedFiles.kept.map { "\($0.path): \($0.cause)" }
        Issue.record("waited too long: \(what) \(states) \(kept)")
        throw WinsockError.timedOut
      }
      usleep(1000)
    }
  }

  /// How many mappings of files of the host's own directory there are.
  func mappings(_ scripted: ScriptedHost, _ name: String = "") -> Int {
    maps().count { $0.contains(scripted.directory + "/" + name) }
  }

  /// Read line by line: Foundation makes nothing of a file whose size is said to be 0.
  private func maps() -> [String] {
    guard let file = fopen("/proc/self/maps", "r") else { return [] }
    defer { fclose(file) }
    var lines: [String] = []
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 8192) { line in
      while fgets(line.baseAddress, Int32(line.count), file) != nil { lines.append(String(cString: line.baseAddress!)) }
    }
    #expect(!lines.isEmpty)
    return lines
  }

  private func replaceFile(_ scripted: ScriptedHost, _ name: String, with fixture: String) throws {
    let target = "\(scripted.directory)/\(name).so"
    try FileManager.default.copyItem(atPath: "\(fixturesDirectory)/\(fixture).so", toPath: target + ".new")
    #expect(rename(target + ".new", target) == 0)
  }

  private func begin(_ scripted: ScriptedHost, _ client: ClientSession, _ name: String) throws -> Lookup {
    try scripted.host.engine.begin(client, QuerySet(serviceInstanceName: name, nameSpace: .dns), flags: .returnAll)
  }

  @Test("a disabled provider gets no call, its sessions their Cleanup, its file is unmapped; enabled, it serves again")
  func disableAndEnable() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "records-2").records.count == 2)
    let id = try scripted.id("scripted-a")
    try scripted.host.disable(id)
    #expect(try scripted.lookup(client, "records-2").end == .serviceNotFound)
    #expect(scripted.host.ledger[0].figures.cleanups == 1)
    try wait("the file is unmapped") { mappings(scripted) == 0 }
    try scripted.host.enable(id)
    #expect(try scripted.lookup(client, "records-2").records.count == 2)
    try scripted.host.unload(id)
    #expect(throws: ProviderHost.ChangeFailure.self) { try scripted.host.unload(id) }
    scripted.host.rescan()
    #expect(scripted.host.catalog[id]?.provider == nil, "a look at the directory does not overrule a person")
    try scripted.host.reload(id)
    #expect(try scripted.lookup(client, "records-2").records.count == 2)
    scripted.finish()
    try wait("everything is unmapped") { mappings(scripted) == 0 }
  }

  @Test("reload: new lookups go to the new file, open ones finish at the old one, which is then unmapped")
  func reload() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    let id = try scripted.id("scripted-a")
    let open = try begin(scripted, client, "records-3")
    #expect(try open.next().serviceInstanceName == "record-00")
    let old = try scripted.provider("scripted-a")
    try replaceFile(scripted, "scripted-a", with: "scripted-a")
    let reloaded = DispatchSemaphore(value: 0)
    HostThreads.run {
      try? scripted.host.reload(id)
      reloaded.signal()
    }
    try wait("the new one serves") { scripted.host.catalog[id]?.provider.map { $0 !== old } ?? false }
    #expect(try scripted.lookup(client, "records-1").records.count == 1)
    #expect(reloaded.wait(timeout: .now() + 0.05) == .timedOut, "the open lookup holds the old one")
    #expect(try open.next().serviceInstanceName == "record-01")
    #expect(try open.next().serviceInstanceName == "record-02")
    #expect(throws: LookupError.failed(.noMore)) { try open.next() }
    open.end()
    #expect(reloaded.wait(timeout: .now() + 10) == .success)
    #expect(old.ledger.figures.cleanups == 1 && old.ledger.figures.live == 0)
    scripted.finish()
  }

  @Test("a file that turned bad takes nobody's place, by name or by a look at the directory")
  func badReplacement() throws {
    let scripted = try ScriptedHost("scripted-a")
    let id = try scripted.id("scripted-a")
    try replaceFile(scripted, "scripted-a", with: "bad/truncated")
    #expect(throws: ProviderHost.ChangeFailure.self) { try scripted.host.reload(id) }
    scripted.host.rescan()
    #expect(try scripted.lookup(try scripted.open(), "records-1").records.count == 1)
    if case .refused = scripted.host.candidates[0].state {} else { Issue.record("the file is refused") }
    try replaceFile(scripted, "scripted-a", with: "scripted-b")
    #expect(scripted.host.rescan().replaced.count == 1)
    #expect(scripted.host.catalog[id] == nil, "another provider lives in that file now")
    #expect(try scripted.lookup(try scripted.open(), "records-1", at: "scripted-b").records.count == 1)
    scripted.finish()
  }

  @Test("a call in progress finishes before its provider is cleaned up and unmapped")
  func callInProgress() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    let lookup = try begin(scripted, client, "sleep-100")
    let answered = DispatchSemaphore(value: 0)
    HostThreads.run {
      _ = try? lookup.next()
      answered.signal()
    }
    try wait("the call runs") { try scripted.count("scripted-a", .lookupServiceNextEx) == 1 }
    try scripted.host.disable(try scripted.id("scripted-a"))
    #expect(answered.wait(timeout: .now() + 5) == .success)
    lookup.end()
    try wait("the file is unmapped") { mappings(scripted) == 0 }
    #expect(scripted.host.ledger[0].figures.cleanups == 1)
    scripted.finish()
  }

  @Test("a call that never completes: its provider is detached at the deadline, its file stays mapped until it completes")
  func neverCompletes() throws {
    let scripted = try ScriptedHost("scripted-a", sidecars: ["scripted-a": "deadline-ms = 40"])
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "never").end == .tryAgain)
    typealias Release = @convention(c) () -> Int32
    let release = try scripted.function("scripted-a", "scripted_release", as: Release.self)
    try scripted.host.disable(try scripted.id("scripted-a"))
    #expect(scripted.host.ledger[0].figures.cleanups == 1)
    let kept = scripted.host.modules.kept
    #expect(kept.map(\.name) == ["scripted-a"])
    #expect(kept.first?.cause == "1 call was never completed")
    usleep(50_000)
    #expect(mappings(scripted) > 0)
    // On a thread of its own, as a provider's: the file stays until it has returned from there.
    let answer = Atomic<Int32>(-1)
    let returned = DispatchSemaphore(value: 0)
    Thread {
      answer.store(release(), ordering: .relaxed)
      returned.signal()
    }.start()
    #expect(returned.wait(timeout: .now() + 10) == .success)
    #expect(answer.load(ordering: .relaxed) == 0, "the late completion is accepted")
    try wait("the file is unmapped") { mappings(scripted) == 0 }
    #expect(scripted.host.modules.kept.isEmpty)
    scripted.finish()
  }

  @Test("modules shows the interface, the engine, each provider's binding and its calls")
  func modules() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b")
    let lookup = try begin(scripted, try scripted.open(), "records-1")
    let interface = try #require(scripted.host.modules.interfaces.first)
    #expect(interface.name == "NSPv2" && interface.clients == ["engine"])
    #expect(interface.providers.map(\.name) == ["scripted-a", "scripted-b"])
    #expect(interface.providers.map(\.state) == [.bound, .bound] && interface.providers.map(\.calls) == [1, 1])
    lookup.end()
    scripted.finish()
  }

  @Test("the watch loads what is dropped in, replaces what is renamed over, detaches what is removed, and waits for whole files")
  func watch() throws {
    let scripted = try ScriptedHost("scripted-a")
    #expect(scripted.host.watch())
    let client = try scripted.open()
    func isServed(_ name: String) -> Bool {
      scripted.host.catalog.entries.contains { $0.manifest.displayName == name && $0.provider != nil }
    }

    // Written in two halves, with the file open in between.
    let image = try Data(contentsOf: URL(filePath: "\(fixturesDirectory)/scripted-b.so"))
    let path = "\(scripted.directory)/scripted-b.so"
    #expect(FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o755]))
    let writer = try #require(FileHandle(forWritingAtPath: path))
    try writer.write(contentsOf: image.prefix(image.count / 2))
    usleep(150_000)
    #expect(!isServed("scripted-b"))
    try writer.write(contentsOf: image.suffix(from: image.count / 2))
    try writer.close()
    try wait("the dropped file is loaded") { isServed("scripted-b") }
    #expect(try scripted.lookup(client, "records-1").records.count == 2)

    let id = try scripted.id("scripted-b")
    weak let former = try scripted.provider("scripted-b")
    try replaceFile(scripted, "scripted-b", with: "scripted-b")
    try wait("the replaced file is served", scripted) {
      scripted.host.catalog[id]?.provider.map { $0 !== former } ?? false
    }
    #expect(try scripted.lookup(client, "records-1").records.count == 2)

    try "enabled = false".write(toFile: "\(scripted.directory)/scripted-b.toml", atomically: true, encoding: .utf8)
    chmod("\(scripted.directory)/scripted-b.toml", 0o644)
    try wait("the sidecar disables") { scripted.host.catalog[id]?.isActive == false && !isServed("scripted-b") }
    unlink("\(scripted.directory)/scripted-b.toml")
    try wait("and enables") { isServed("scripted-b") }

    unlink(path)
    try wait("the removed file is detached") { scripted.host.catalog[id] == nil }
    try wait("and unmapped") { mappings(scripted, "scripted-b") == 0 }
    #expect(try scripted.lookup(client, "records-1").records.count == 1)
    scripted.finish()
  }

  @Test("modules that a file registers itself are attached, taken back before it is unloaded, and leave nothing mapped")
  func selfRegistering() throws {
    let before = ModuleRegistrar.shared.snapshot.interfaces.count
    let scripted = try ScriptedHost("registers-in-constructor", "refuses-to-start", registrar: .shared)
    #expect(try scripted.lookup(try scripted.open(), "x").end == .noData)
    let id = try scripted.id("registers-in-constructor")
    #expect(scripted.host.catalog[id]?.path == "\(scripted.directory)/registers-in-constructor.so")
    #expect(ModuleRegistrar.shared.snapshot.interfaces.count == before + 2)
    let refused = scripted.host.candidates.compactMap { candidate -> String? in
      if case .refused(let refusal) = candidate.state { refusal.detail } else { nil }
    }
    #expect(refused == ["its NSPModuleLoad answered STATUS_ACCESS_DENIED"])
    try wait("the refused file is unmapped") { mappings(scripted, "refuses-to-start") == 0 }
    // Replaced by itself: the new file's module takes over before the old one's is taken back.
    try replaceFile(scripted, "registers-in-constructor", with: "registers-in-constructor")
    try scripted.host.reload(id)
    #expect(try scripted.lookup(try scripted.open(), "x").end == .noData)
    try scripted.host.disable(id)
    try wait("the file is unmapped") { mappings(scripted) == 0 }
    scripted.finish()
    #expect(ModuleRegistrar.shared.snapshot.interfaces.count == before)
  }

  @Test("a thousand reloads under continuous lookups: none fails, nothing stays mapped")
  func reloadStorm() throws {
    let scripted = try ScriptedHost("scripted-a")
    let id = try scripted.id("scripted-a")
    let isOver = Atomic<Bool>(false)
    let asked = Atomic<Int>(0)
    let failed = Atomic<Int>(0)
    let lookers = (0..<2).map { number in
      let done = DispatchSemaphore(value: 0)
      // On threads of the host, as in a host that serves: what is left on the stack of another thread keeps a file for a while.
      HostThreads.run {
        guard let client = try? scripted.open("looker \(number)") else { return }
        while !isOver.load(ordering: .relaxed) {
          let found = try? scripted.lookup(client, "records-2")
          asked.add(1, ordering: .relaxed)
          if found?.records.count != 2 || found?.end != .noMore { failed.add(1, ordering: .relaxed) }
        }
        _ = try? scripted.hangUp(client, .remote)
        done.signal()
      }
      return done
    }
    for _ in 0..<(enduranceSeconds >= 10 ? 1000 : 200) {
      try replaceFile(scripted, "scripted-a", with: "scripted-a")
      try scripted.host.reload(id)
    }
    isOver.store(true, ordering: .relaxed)
    for done in lookers { #expect(done.wait(timeout: .now() + 10) == .success) }
    #expect(failed.load(ordering: .relaxed) == 0, "of \(asked.load(ordering: .relaxed))")
    try wait("only one mapping of the file is left") { mappings(scripted) <= 6 }
    scripted.finish()
    try wait("everything is unmapped") { mappings(scripted) == 0 }
  }
}

/// How long the tests of endurance run: `make test` says more than a plain `swift test`.
let enduranceSeconds = ProcessInfo.processInfo.environment["NSPHOST_ENDURANCE"].flatMap { Double($0) } ?? 1
