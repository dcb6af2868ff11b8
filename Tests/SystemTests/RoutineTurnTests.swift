import Foundation
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// How many routines of a provider run at a time: those of version 1, and of version 2 that ask for it, in the host's process and in workers. The
/// fixture counts by itself what it sees.
@Suite(.timeLimit(.minutes(10))) struct RoutineTurnTests {
  /// What the fixture has counted.
  private struct Report {
    /// Routines that ran beside each other, those that ran beside a Next of their own handle, and how many there were at a time.
    var overlaps: Int
    var beside: Int
    var most: Int
    /// Queries of version 1 without a class.
    var nulls: Int
    var serviceClass: String

    init(_ text: String) throws {
      func value(_ name: String) throws -> String {
        String(
          try #require(text.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix(name + "-") }, "\(text)").dropFirst(
            name.count + 1))
      }
      (overlaps, beside) = (try #require(Int(try value("overlaps"))), try #require(Int(try value("beside"))))
      (most, nulls) = (try #require(Int(try value("most"))), try #require(Int(try value("nulls"))))
      serviceClass = try value("class")
    }
  }

  private static let serial = "5e71a101-0001-4000-8000-000000000001"
  private static let second = "5e71a102-0001-4000-8000-000000000002"
  private static let program = "5e71a103-0001-4000-8000-000000000003"

  /// Eight programs at a time, each with a lookup of its own.
  private static func eight(_ provider: String, of host: Host) async throws {
    try await withThrowingTaskGroup { group in
      for _ in 0..<8 { group.addTask { try await host.nsphost.run("lookup", "linger-120", "--provider", provider) } }
      for try await outcome in group { #expect(outcome.status == 0, "\(outcome)") }
    }
  }

  /// A program that is killed while its Next runs, so that the host ends its lookup.
  private static func killed(_ provider: String, of host: Host) async throws {
    func lingering() -> Int { host.log.components(separatedBy: "lingers").count }
    let before = lingering()
    let command = host.nsphost
    _ = try await Subprocess.run(
      .path(.init(command.path)), arguments: ["lookup", "linger-1500", "--provider", provider],
      environment: command.subprocessEnvironment, input: .none, output: .discarded, error: .discarded
    ) { execution in
      try await eventually("its Next runs") { lingering() > before }
      try execution.send(signal: .kill)
    }
  }

  private static func report(_ provider: String, of host: Host) async throws -> Report {
    try Report(try await host.nsphost.run("lookup", "report", "--provider", provider).output)
  }

  /// What the fixture has counted after all of that.
  /// - Parameter most: So many at a time are seen sooner or later: programs that wait for a processor do not meet in each round.
  private static func counted(
    _ isolation: Isolation, _ fixture: String, _ manifest: String = "", reaching most: Int = 1
  ) async throws -> Report {
    let provider = fixture == "serial" ? serial : second
    // However busy the machine is, nobody is given up.
    let plugin = Plugin.fixture(fixture, "deadline-ms = 60000\n\(manifest)\n")
    return try await Host.serve("isolation = \"\(isolation.rawValue)\"\n", [plugin]) { host in
      try await eventually("the provider serves: \(host.log)") {
        try await host.nsphost.run("lookup", "report", "--provider", provider).status == 0
      }
      try await killed(provider, of: host)
      try await eight(provider, of: host)
      try await eventually("\(most) routines run at a time") {
        try await eight(provider, of: host)
        return try await report(provider, of: host).most >= most
      }
      return try await report(provider, of: host)
    }
  }

  @Test(
    "NSP-238 version 1: one routine at a time, but for an End beside its own Next; the class is never NULL",
    arguments: Isolation.allCases)
  func version1(_ isolation: Isolation) async throws {
    let report = try await Self.counted(isolation, "serial")
    #expect(report.overlaps == 0 && report.beside > 0 && report.most == 1)
    #expect(report.nulls == 0 && report.serviceClass == "2a803")
  }

  @Test("NSP-238 version 1, cancel = \"wait\": no End beside its own Next either", arguments: Isolation.allCases)
  func waitingEnds(_ isolation: Isolation) async throws {
    let report = try await Self.counted(isolation, "serial", "cancel = \"wait\"")
    #expect(report.overlaps == 0 && report.beside == 0 && report.most == 1)
  }

  @Test("NSP-238 version 1: as many as its manifest says", arguments: Isolation.allCases, ["", "cancel = \"wait\""])
  func concurrency(_ isolation: Isolation, _ cancel: String) async throws {
    let report = try await Self.counted(isolation, "serial", "concurrency = 3\n\(cancel)", reaching: 3)
    #expect(report.overlaps > 0 && (report.beside > 0) == cancel.isEmpty && report.most == 3)
  }

  @Test("NSP-238 serialise = true means one", arguments: Isolation.allCases)
  func serialise(_ isolation: Isolation) async throws {
    let report = try await Self.counted(isolation, "serial", "serialise = true")
    #expect(report.overlaps == 0 && report.beside > 0 && report.most == 1)
  }

  @Test("NSP-238 version 2 that asks for it: one routine at a time", arguments: Isolation.allCases)
  func version2(_ isolation: Isolation) async throws {
    let report = try await Self.counted(isolation, "serial-second")
    #expect(report.overlaps == 0 && report.beside > 0 && report.most == 1)
  }

  @Test("NSP-238 version 2: its manifest takes it back", arguments: Isolation.allCases)
  func takenBack(_ isolation: Isolation) async throws {
    let report = try await Self.counted(isolation, "serial-second", "serialise = false\nblocking = true", reaching: 4)
    #expect(report.overlaps > 0 && report.most >= 4)
  }

  @Test("NSP-238 a program that advertises: one routine at a time, where the configuration says so")
  func advertised() async throws {
    let made = try WorkFolder()
    try made.copy(Built.folder + "/libNSPLibrary.so", to: "libnsp.so.0")
    try FileManager.default.createSymbolicLink(atPath: made["libnsp.so"], withDestinationPath: "libnsp.so.0")
    try await compile(
      [Built.package + "/Tests/Fixtures/serial.c"],
      [
        "-DPROGRAM", "-DVERSION2", "-DFIXTURE_NAME=\"serial-program\"", "-DFIXTURE_NUMBER=3", "-L" + made.path, "-lnsp",
        "-pthread",
      ], to: made["program"])
    let configuration = "[providers.serial-program]\nconcurrency = 1\ndeadline-ms = 60000\n"
    let report = try await Host.serve(configuration) { host in
      // What its routines say is looked for where those of files say it.
      let log = try FileDescriptor.open(FilePath(host.folder["serve.err"]), .writeOnly, options: .append)
      let environment = host.environment.merging(["LD_LIBRARY_PATH": made.path]) { $1 }
      let advertiser = Program(path: made["program"], environment: environment)
      let ended = try await Subprocess.run(
        .path(FilePath(advertiser.path)), environment: advertiser.subprocessEnvironment, input: .inputWriter,
        output: .fileDescriptor(log, closeAfterSpawningProcess: true), error: .combinedWithOutput
      ) { execution in
        try await eventually("it is advertised: \(host.log)") {
          try await host.nsphost.run("lookup", "report", "--provider", Self.program).status == 0
        }
        try await Self.killed(Self.program, of: host)
        try await Self.eight(Self.program, of: host)
        let report = try await Self.report(Self.program, of: host)
        try await execution.standardInputWriter.finish()
        return report
      }
      #expect(ended.terminationStatus.isSuccess, "the program ends in order")
      return ended.closureResult
    }
    #expect(report.overlaps == 0 && report.beside > 0 && report.most == 1)
  }

  @Test("serialise = true and concurrency = 4 are refused together")
  func contradiction() async throws {
    let folder = try WorkFolder()
    try folder.make("plugins")
    try folder.copy(Built.fixtures + "/serial.so", to: "plugins/serial.so")
    try folder.write("serialise = true\nconcurrency = 4\n", to: "plugins/serial.toml")
    let command = Program(path: Built.nsphost, environment: ["STATE_DIRECTORY": folder["state"], "NSP_SOCKET": folder["none"]])
    let outcome = try await command.run("providers", "--plugins", folder["plugins"], "--refused")
    #expect((outcome.output + outcome.errors).contains("concurrency: 4 is not what serialise = true means"), "\(outcome)")
  }
}
