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
  static let plugins = ProcessInfo.processInfo.environment["NSPHOST_PLUGINS"] ?? package + "/build/plugins"
  static let nsphost = folder + "/nsphost"
}

/// A folder of a test's own, which everybody can read. It goes with the last reference.
final class WorkFolder: Sendable {
  let path: String

  init(in parent: String = FileManager.default.temporaryDirectory.path) throws {
    path = parent + "/nsphost-" + UUID().uuidString
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

  /// A copy, in the place of what is there.
  func copy(_ file: String, to name: String) throws {
    if has(name) { try FileManager.default.removeItem(atPath: self[name]) }
    try FileManager.default.copyItem(atPath: file, toPath: self[name])
  }

  func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: self[name]) }

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
  /// Before those of each run.
  var words: [String] = []

  /// The same as another user, who is in no group but the one of the same number.
  func asUser(_ user: UInt32) -> Program {
    let become = ["setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups"]
    return Program(path: "/usr/bin/env", environment: environment, words: become + [path] + words)
  }

  var subprocessEnvironment: Environment {
    var changes: [Environment.Key: String?] = [:]
    for (name, value) in environment { changes[Environment.Key(stringLiteral: name)] = value }
    return .inherit.updating(changes)
  }

  /// Runs it to its end. A test's time limit is that of the program, too.
  @discardableResult
  func run(_ words: [String], input: String = "") async throws -> Outcome {
    let result = try await Subprocess.run(
      .path(FilePath(path)), arguments: Arguments(self.words + words), environment: subprocessEnvironment, input: .string(input),
      output: .string(limit: 8 << 20), error: .string(limit: 8 << 20))
    return Outcome(
      status: result.terminationStatus.number, output: result.standardOutput, errors: result.standardError)
  }

  @discardableResult
  func run(_ words: String...) async throws -> Outcome { try await run(words) }

  /// Runs it beside the body, which is given its process, and waits for its end. Its input ends with the body; what it prints is in the file meanwhile.
  func beside<Value: Sendable>(
    _ words: String..., printing file: String, _ body: @Sendable (Int32) async throws -> Value
  ) async throws -> (outcome: Outcome, value: Value) {
    let output = try FileDescriptor.open(
      FilePath(file), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    let result = try await Subprocess.run(
      .path(FilePath(path)), arguments: Arguments(self.words + words), environment: subprocessEnvironment,
      input: .inputWriter, output: .fileDescriptor(output, closeAfterSpawningProcess: true), error: .string(limit: 8 << 20)
    ) { execution -> Swift.Result<Value, any Error> in
      let value: Swift.Result<Value, any Error>
      do { value = .success(try await body(execution.processIdentifier.value)) } catch {
        value = .failure(error)
        try? execution.send(signal: .kill)
      }
      try await execution.standardInputWriter.finish()
      return value
    }
    let printed = try String(contentsOfFile: file, encoding: .utf8)
    let outcome = Outcome(status: result.terminationStatus.number, output: printed, errors: result.standardError)
    return (outcome, try result.closureResult.get())
  }

  /// Expects that it ends so and says this.
  func expect(
    _ status: Int32, _ text: String = "", of words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let outcome = try await run(words)
    #expect(
      outcome.status == status && (text.isEmpty || (outcome.output + outcome.errors).contains(text)),
      "\(words): not status \(status), \(text), but \(outcome)", sourceLocation: sourceLocation)
  }

  /// Expects that it prints exactly these lines, in whatever order.
  func expect(lines: [String], of words: String..., sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let outcome = try await run(words)
    let printed = (outcome.output + outcome.errors).split(separator: "\n").map(String.init)
    #expect(printed.sorted() == lines.sorted(), "\(words): \(outcome)", sourceLocation: sourceLocation)
  }

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
  /// The exit status, or the signal's number and 128.
  var number: Int32 {
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
  _ what: @autoclosure () -> Comment, sourceLocation: SourceLocation = #_sourceLocation, _ isSo: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now + .seconds(60)
  while try await !isSo() {
    try #require(ContinuousClock.now < end, what(), sourceLocation: sourceLocation)
    try await Task.sleep(for: .milliseconds(20))
  }
}
