import Foundation
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// What this package has built, and where its tests have their fixtures.
enum Built {
  /// Programs and libraries lie beside the test bundle.
  static let folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().path
  static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let samples = ProcessInfo.processInfo.environment["NSPHOST_SAMPLES"] ?? package + "/build/providers"
  static let fixtures = ProcessInfo.processInfo.environment["NSPHOST_FIXTURES"] ?? package + "/build/fixtures"
  static let nsphost = folder + "/nsphost"
}

/// A folder of a test's own, which everybody can read. It goes with the last reference.
final class WorkFolder: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/nsphost-" + UUID().uuidString
    try make("")
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  subscript(_ name: String) -> String { path + "/" + name }

  @discardableResult
  func make(_ name: String) throws -> String {
    let folder = name.isEmpty ? path : self[name]
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    return folder
  }

  func write(_ text: String, to name: String) throws {
    try text.write(toFile: self[name], atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: self[name])
  }

  func copy(_ file: String, to name: String) throws { try FileManager.default.copyItem(atPath: file, toPath: self[name]) }

  func text(of name: String) -> String { (try? String(contentsOfFile: self[name], encoding: .utf8)) ?? "" }
}

/// A program with the environment that it runs in.
struct Program: Sendable {
  /// How a run has ended, and what it has said.
  struct Outcome: Sendable, CustomStringConvertible {
    /// The exit status, or the signal's number and 128.
    var status: Int32
    var output: String
    var errors: String

    var description: String { "status \(status)\n\(output)\(errors)" }
  }

  var path: String
  /// Over that of the tests.
  var environment: [String: String] = [:]

  var subprocessEnvironment: Environment {
    var changes: [Environment.Key: String?] = [:]
    for (name, value) in environment { changes[Environment.Key(stringLiteral: name)] = value }
    return .inherit.updating(changes)
  }

  /// Runs it to its end. A test's time limit is that of the program, too.
  @discardableResult
  func run(_ words: [String], input: String = "") async throws -> Outcome {
    let result = try await Subprocess.run(
      .path(FilePath(path)), arguments: Arguments(words), environment: subprocessEnvironment, input: .string(input),
      output: .string(limit: 8 << 20), error: .string(limit: 8 << 20))
    return Outcome(
      status: result.terminationStatus.number, output: result.standardOutput, errors: result.standardError)
  }

  @discardableResult
  func run(_ words: String...) async throws -> Outcome { try await run(words) }

  /// What it prints with --json.
  func document<Document: Decodable>(_ type: Document.Type, _ words: String...) async throws -> Document {
    let outcome = try await run(words + ["--json"])
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do { return try decoder.decode(type, from: Data(outcome.output.utf8)) } catch {
      Issue.record("\(words) prints no \(type): \(error): \(outcome)")
      throw error
    }
  }
}

extension TerminationStatus {
  fileprivate var number: Int32 {
    switch self {
    case .exited(let code): Int32(code)
    case .signaled(let signal): 128 + Int32(signal)
    }
  }
}

/// A C program or provider, compiled with the flags that all of them hold to.
func compile(_ sources: [String], _ flags: [String] = [], to target: String) async throws {
  let clang = Program(path: "/usr/bin/env")
  let words = ["clang", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I" + Built.package + "/Sources/ABI/CWinsock/include"]
  let outcome = try await clang.run(words + sources + flags + ["-o", target])
  try #require(outcome.status == 0, "\(outcome)")
}

/// Waits until something is so: for a minute, however busy the machine is.
func eventually(
  _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ isSo: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now + .seconds(60)
  while try await !isSo() {
    try #require(ContinuousClock.now < end, what, sourceLocation: sourceLocation)
    try await Task.sleep(for: .milliseconds(20))
  }
}
