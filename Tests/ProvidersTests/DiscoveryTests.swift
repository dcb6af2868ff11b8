import BoundedTOML
import CWinsock
import Foundation
import Glibc
import Hosting
import ModuleRegistrar
import QuerySets
import Testing

@testable import Providers

/// A directory of its own with copies of fixture files.
final class PluginFolder {
  let path: String
  private let fixtures: String

  init() throws {
    fixtures = fixturesDirectory
    path = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func add(_ fixture: String, as name: String? = nil) throws {
    let target = "\(path)/\(name ?? fixture.split(separator: "/").last.map(String.init)!).so"
    try FileManager.default.copyItem(atPath: "\(fixtures)/\(fixture).so", toPath: target)
  }

  func write(_ text: String, to name: String) throws {
    try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    chmod("\(path)/\(name)", 0o644)
  }

  func scan() -> [Candidate] { PluginScan(directories: [path], hostExports: ProviderHost.exports).candidates() }

  func refusal() -> Refusal? {
    if case .refused(let refusal)? = scan().first?.state { refusal } else { nil }
  }
}

@Suite struct DiscoveryTests {
  @Test(
    "a bad file is named with its reason",
    arguments: [
      ("no-entry-points", Refusal.Reason.notAProvider, "no NSPv2 routine"),
      ("missing-end", .missingRoutine, "NSPv2LookupServiceEnd"),
      ("undefined-symbol", .unresolvedSymbol, "nobody_defines_this"), ("not-elf", .notAnELFFile, "no ELF file"),
      ("empty", .notAnELFFile, "empty"), ("truncated", .damaged, "outside the file"),
      ("wrong-machine", .wrongMachine, "machine 3"),
      ("world-writable", .untrusted, "every user can write"), ("borrower", .missingLibrary, "libborrowed.so.1"),
    ])
  func badFiles(name: String, reason: Refusal.Reason, detail: String) throws {
    let folder = try PluginFolder()
    try folder.add("bad/\(name)")
    if name == "borrower" { try folder.write("allow-partial = true\nadvertises = true", to: "borrower.toml") }
    let refusal = try #require(folder.refusal())
    #expect(refusal.reason == reason)
    #expect(refusal.detail.contains(detail), "\(refusal)")
    #expect(!refusal.remedy.isEmpty)
  }

  @Test("NSP-022 a routine counts only if the file's own table defines it, not a library that it needs")
  func borrowedRoutines() throws {
    let fixtures = fixturesDirectory
    let candidate = PluginScan(directories: [], hostExports: ProviderHost.exports).candidate(at: "\(fixtures)/bad/borrower.so")
    guard case .refused(let refusal) = candidate.state else {
      Issue.record("borrower.so was accepted")
      return
    }
    #expect(refusal.reason == .notAProvider)
    // The dynamic linker itself would have found them.
    let handle = try #require(dlopen("\(fixtures)/bad/borrower.so", RTLD_LAZY | RTLD_LOCAL))
    defer { dlclose(handle) }
    #expect(dlsym(handle, "NSPv2LookupServiceBegin") != nil)
  }

  @Test("a file that can't be loaded is reported with the linker's words, and stops nobody")
  func failsToLoad() throws {
    let folder = try PluginFolder()
    try folder.add("bad/fails-to-load")
    try folder.add("scripted-a")
    let host = ProviderHost(registrar: ModuleRegistrar())
    host.load(from: [folder.path])
    guard case .refused(let refusal)? = host.candidates.first?.state else {
      Issue.record("fails-to-load.so was accepted")
      return
    }
    #expect(refusal.reason == .failedToLoad && refusal.detail.contains("TLS"))
    #expect(host.catalog.entries.contains { $0.manifest.displayName == "scripted-a" && $0.provider != nil })
    host.stop()
  }

  @Test("the static storage that a file takes is known before it is loaded")
  func staticStorage() throws {
    let folder = try PluginFolder()
    try folder.add("bad/fails-to-load", as: "a")
    try folder.add("scripted-a", as: "b")
    let taken = folder.scan().map { $0.image?.staticTLS ?? -1 }
    #expect(taken.count == 2 && taken[0] > 1 << 20 && (0..<1 << 16).contains(taken[1]), "\(taken)")
  }

  @Test("a file whose name is not UTF-8 is named byte by byte, and stops nobody")
  func badName() throws {
    let folder = try PluginFolder()
    try folder.add("scripted-a")
    let source = try Data(contentsOf: URL(filePath: "\(folder.path)/scripted-a.so"))
    let path = Array(folder.path.utf8) + [0x2f, 0x7a, 0xff, 0x2e, 0x73, 0x6f, 0]
    let descriptor = path.withUnsafeBytes { open($0.baseAddress!.assumingMemoryBound(to: CChar.self), O_CREAT | O_WRONLY, 0o755) }
    try #require(descriptor >= 0)
    _ = source.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
    let found = folder.scan()
    guard found.count == 2, case .refused(let refusal) = found[0].state, case .ready = found[1].state else {
      Issue.record("\(found)")
      return
    }
    #expect(refusal.reason == .badName && refusal.path == folder.path + "/z\\xff.so")
  }

  @Test("a link to a folder whose name is not UTF-8 is judged by that folder")
  func linkToBadName() throws {
    let folder = try PluginFolder()
    let target = Array(folder.path.utf8) + [0x2f, 0xfe, 0]
    let made = target.withUnsafeBytes { mkdir($0.baseAddress!.assumingMemoryBound(to: CChar.self), 0o755) }
    try #require(made == 0)
    let file = target.dropLast() + Array("/x.so".utf8) + [0]
    try folder.add("scripted-a", as: "y")
    let moved = Array(file).withUnsafeBytes { rename("\(folder.path)/y.so", $0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
    try #require(moved == 0)
    let linked = Array(file).withUnsafeBytes {
      symlink($0.baseAddress!.assumingMemoryBound(to: CChar.self), "\(folder.path)/link.so")
    }
    try #require(linked == 0)
    guard case .ready? = folder.scan().first?.state else {
      Issue.record("\(folder.scan())")
      return
    }
    target.withUnsafeBytes { _ = chmod($0.baseAddress!.assumingMemoryBound(to: CChar.self), 0o777) }
    #expect(folder.refusal()?.reason == .untrusted && folder.refusal()?.detail.contains("/\\xfe has mode 0777") == true)
  }

  @Test("the manifest inside the file is read")
  func note() throws {
    let folder = try PluginFolder()
    try folder.add("mail-primary")
    let manifest = try #require(folder.scan().first?.manifest)
    #expect(manifest.source == .elfNote && manifest.displayName == "mail-primary" && manifest.nameSpace == .email)
    #expect(manifest.domains == [.init(name: "Example.org", level: .primary)])
    #expect(manifest.id.description.hasPrefix("f1f7000a-1111-4222"))
  }

  @Test("a worker's order is read as it was written: texts with signs of all kinds, lists of none, of one and of several")
  func workerOrder() throws {
    var manifest = Manifest(id: GUID(), displayName: "a \"name\"\n", nameSpace: .dns, allowsPartial: true)
    manifest.settings = ["none": [], "one": ["a=b"], "several": ["x y", "ü", "\n", "'\"\"\"\\u0041"], "odd.name": ["1"]]
    (manifest.concurrency, manifest.endsWait, manifest.advertises) = (3, true, true)
    manifest.confinement.memory = 64 << 20
    manifest.confinement.processes = 0
    (manifest.confinement.user, manifest.confinement.readable) = ("nobody", ["/srv", "/etc/a b"])
    manifest.confinement.reachable = []
    var order = WorkerOrder(file: "/tmp/ü\t.so", socket: "/run/socket", manifest: manifest)
    (order.staysMapped, order.takesClasses, order.staticTLS) = (true, true, 4096)
    let message = order.message
    #expect(message.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) } == UInt32(message.count - 4))
    let read = try WorkerOrder(body: Array(message.dropFirst(4)))
    #expect(read.file == order.file && read.socket == order.socket && read.staysMapped && read.takesClasses)
    #expect(read.staticTLS == 4096 && read.manifest.id == manifest.id && read.manifest.displayName == manifest.displayName)
    #expect(read.manifest.settings == manifest.settings && read.manifest.confinement == manifest.confinement)
    #expect(read.manifest.concurrency == 3 && read.manifest.endsWait && read.manifest.advertises && read.manifest.allowsPartial)
    let silent = try WorkerOrder(
      body: Array(WorkerOrder(file: "x", socket: "y", manifest: Manifest(fileName: "z.so")).message.dropFirst(4)))
    #expect(silent.manifest.confinement == Confinement() && silent.manifest.concurrency == nil && !silent.staysMapped)
    // What is cut off is no more than that.
    for count in stride(from: 0, to: message.count - 4, by: 7) {
      _ = try? WorkerOrder(body: Array(message.dropFirst(4).prefix(count)))
    }
    #expect(throws: Problems.self) { try WorkerOrder(body: Array("file = 1".utf8)) }
  }

  @Test("a sidecar wins over the manifest inside the file")
  func sidecar() throws {
    let folder = try PluginFolder()
    try folder.add("scripted-a")
    try folder.write(
      """
      id = "11111111-2222-3333-4444-555555555555"
      name = "other"
      namespace = "email"
      version = 7
      domains = ["example.net=secondary", "*"]
      deadline-ms = 250
      isolation = "worker"
      processes = 0
      allow-connect = []
      order = -3
      x-note = "ours"
      [settings]
      files = ["/a", "/b"]
      tries = 3
      """, to: "scripted-a.toml")
    let manifest = try #require(folder.scan().first?.manifest)
    #expect(manifest.displayName == "other" && manifest.nameSpace == .email && manifest.version == 7 && manifest.servesAnyDomain)
    #expect(manifest.domains == [.init(name: "example.net", level: .secondary)] && manifest.deadline == .milliseconds(250))
    #expect(manifest.isolation == .worker && manifest.confinement.processes == 0 && manifest.confinement.reachable == [])
    #expect(manifest.confinement.readable == nil && manifest.order == -3)
    #expect(manifest.settings == ["files": ["/a", "/b"], "tries": ["3"]])
  }

  @Test(
    "a broken sidecar names the key and what to write",
    arguments: [
      ("nmae = 1", "did you mean \"name\""), ("id = \"x\"", "GUID"), ("domains = [\"a\"]", "primary"), ("id = ", "TOML"),
      ("version = -1", "number from 0"), ("isolation = \"jail\"", "in-process"),
      ("user = 5", "name of a user"), ("allow-read = \"/srv\"", "list of absolute paths"),
      ("[accepts]\na = \"numbers\"", "accepts.a: \"numbers\" is not \"text\""),
      ("[settings]\ntrees = 1\n[accepts]\ntries = \"number 1 to 3\"", ".toml:2:1: unknown key \"settings.trees\""),
      ("[accepts]\ntries = \"number 1 to 3\"\n[settings]\ntries = 4", ".toml:4:9: settings.tries: 4 is not a number from 1 to 3"),
      ("users = [0]", "users does not stand in a manifest"), ("serialise = true\nconcurrency = 2", "leave one of them out"),
      ("namespace = \"dns\"\nlisted = [\"ntds\"]", "is not a name space that the provider serves"),
      ("version = 1\nnmae = 1\nisolation = 5", ".toml:2:1: unknown key \"nmae\" (and 1 more: nsphost config check lists all)"),
    ])
  func brokenSidecar(text: String, expected: String) throws {
    let folder = try PluginFolder()
    try folder.add("scripted-a")
    try folder.write(text, to: "scripted-a.toml")
    let refusal = try #require(folder.refusal())
    #expect(refusal.reason == .badManifest && refusal.description.contains(expected), "\(refusal)")
  }

  @Test("a sidecar with keys within each other, or with a very long one, is refused at once")
  func strangeSidecars() throws {
    let folder = try PluginFolder()
    try folder.add("scripted-a")
    let deep = Array(repeating: "a", count: 30_000).joined(separator: ".")
    for text in ["settings.\(deep) = 1", "[x-\(deep)]"] {
      try folder.write(text, to: "scripted-a.toml")
      let refusal = try #require(folder.refusal())
      #expect(refusal.reason == .badManifest && refusal.description.contains("scripted-a.toml:1: more than 16 keys"))
    }
    try folder.write(String(repeating: "k", count: 60_000) + " = 1", to: "scripted-a.toml")
    let begin = ContinuousClock.now
    let refusal = try #require(folder.refusal())
    #expect(refusal.description.contains("unknown key \"kkkk") && refusal.description.count < 1000)
    #expect(begin.duration(to: .now) < .seconds(5))
  }

  @Test("a file without a manifest has the version-5 UUID of its name and serves every name space")
  func noManifest() throws {
    let manifest = Manifest(fileName: "thing.so")
    #expect(manifest.displayName == "thing" && manifest.nameSpace == .all)
    #expect(manifest.id == Manifest(fileName: "thing.so").id && manifest.id != Manifest(fileName: "other.so").id)
    #expect(Array(manifest.id.description)[14] == "5")
  }

  @Test("the first directory wins for an id")
  func superseded() throws {
    let (first, second) = (try PluginFolder(), try PluginFolder())
    try first.add("scripted-a")
    try second.add("scripted-a", as: "again")
    let candidates = PluginScan(directories: [first.path, second.path], hostExports: ProviderHost.exports).candidates()
    guard case .superseded(let by) = candidates[1].state else {
      Issue.record("\(candidates[1].state)")
      return
    }
    #expect(by == "\(first.path)/scripted-a.so")
  }

  @Test("files and folders that others can write, and links into such folders, are refused")
  func trust() throws {
    let folder = try PluginFolder()
    try folder.add("scripted-a")
    #expect(folder.refusal() == nil)
    chmod(folder.path, 0o775)
    #expect(folder.refusal()?.reason == .untrusted)
    chmod(folder.path, 0o1777)
    #expect(folder.refusal()?.reason == .untrusted)
    chmod(folder.path, 0o755)
    chmod("\(folder.path)/scripted-a.so", 0o775)
    #expect(folder.refusal()?.detail.contains("its group") == true)

    let (links, open) = (try PluginFolder(), try PluginFolder())
    try open.add("scripted-a")
    symlink("\(open.path)/scripted-a.so", "\(links.path)/link.so")
    #expect(links.refusal() == nil)
    chmod(open.path, 0o777)
    #expect(links.refusal()?.reason == .untrusted)
    if geteuid() == 0 {
      let foreign = try PluginFolder()
      try foreign.add("scripted-a")
      chown("\(foreign.path)/scripted-a.so", 65_534, 65_534)
      #expect(foreign.refusal()?.detail.contains("belongs to user 65534") == true)
    }
  }

  @Test("things that are no regular files neither block nor crash the scan")
  func oddFiles() throws {
    let folder = try PluginFolder()
    mkfifo("\(folder.path)/fifo.so", 0o644)
    mkdir("\(folder.path)/folder.so", 0o755)
    symlink("/dev/zero", "\(folder.path)/device.so")
    symlink("nowhere", "\(folder.path)/dangling.so")
    try folder.add("scripted-a")
    let candidates = folder.scan()
    #expect(candidates.count == 5)
    #expect(candidates.count { if case .ready = $0.state { true } else { false } } == 1)
  }

  @Test("every truncation and 3,000 random changes of a good file are judged, never more")
  func corruption() throws {
    let fixtures = fixturesDirectory
    let good = [UInt8](try Data(contentsOf: URL(filePath: "\(fixtures)/scripted-a.so")))
    let folder = try PluginFolder()
    let path = "\(folder.path)/x.so"
    func judge(_ bytes: [UInt8]) throws {
      try Data(bytes).write(to: URL(filePath: path))
      chmod(path, 0o755)
      _ = folder.scan()
    }
    for length in stride(from: 0, to: min(good.count, 8192), by: 61) { try judge(Array(good[..<length])) }
    let seed = UInt64.random(in: 0...UInt64.max)
    print("corruption seed \(seed)")
    var state = seed
    func next() -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33)
    }
    for _ in 0..<3_000 {
      var bytes = good
      for _ in 0..<(1 + next() % 8) { bytes[next() % min(bytes.count, 8192)] = UInt8(truncatingIfNeeded: next()) }
      try judge(bytes)
    }
  }

  @Test("directories: given ones, else NSP_PLUGIN_PATH, else the standard ones; raised privileges ignore the environment")
  func directories() {
    let environment = ["NSP_PLUGIN_PATH": "/a:/b", "HOME": "/home/x"]
    #expect(PluginDirectories.resolve(explicit: ["/c"], environment: environment, isPrivileged: false) == ["/c"])
    #expect(PluginDirectories.resolve(explicit: [], environment: environment, isPrivileged: false) == ["/a", "/b"])
    #expect(
      PluginDirectories.resolve(
        explicit: [], environment: ["HOME": "/home/x"], isPrivileged: false, user: 1000, program: "/srv/build/nsphost")
        == ["/home/x/.local/lib/nsp", "/usr/local/lib/nsp", "/usr/lib/nsp"])
    #expect(
      PluginDirectories.resolve(
        explicit: [], environment: ["HOME": "/root"], isPrivileged: false, user: 0, program: "/opt/names/bin/nsphost")
        == ["/opt/names/lib/nsp", "/usr/local/lib/nsp", "/usr/lib/nsp"])
    // Which of the machine's goes first does not depend on where the program is.
    #expect(
      PluginDirectories.resolve(explicit: [], environment: [:], isPrivileged: false, user: 0, program: "/usr/bin/nsphost")
        == ["/usr/local/lib/nsp", "/usr/lib/nsp"])
    #expect(
      PluginDirectories.resolve(
        explicit: [], environment: environment, isPrivileged: true, user: 1000, program: "/opt/names/bin/nsphost")
        == ["/usr/local/lib/nsp", "/usr/lib/nsp"])
  }
}

/// Where `make fixtures` has put the providers of the tests.
let fixturesDirectory =
  ProcessInfo.processInfo.environment["NSPHOST_FIXTURES"]
  ?? URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  + "/build/fixtures"
