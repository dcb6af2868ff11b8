import Foundation
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// A program that runs beside a test.
struct Companion: Sendable {
  let processID: Int32
  fileprivate let folder: WorkFolder
  fileprivate let input: StandardInputWriter

  /// What it has printed until now, on standard output and standard error.
  var printed: String { folder.text(of: "printed") }

  /// How many lines contain this.
  func count(_ text: String) -> Int { printed.split(separator: "\n").count { $0.contains(text) } }

  /// Waits until so many lines contain this.
  func prints(_ text: String, times: Int = 1, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await eventually("it prints \(text): \(printed)", sourceLocation: sourceLocation) {
      try #require(
        count(text) >= times || !ProcessEnd.isReached(by: processID), "it has ended: \(printed)", sourceLocation: sourceLocation)
      return count(text) >= times
    }
  }

  func endInput() async throws { try await input.finish() }

  /// Waits for its end.
  func ends(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await eventually("it has ended: \(printed)", sourceLocation: sourceLocation) { ProcessEnd.isReached(by: processID) }
  }
}

extension Program {
  /// Runs it beside the body, and waits for its end. Its input ends with the body, and a body that fails ends it.
  func beside<Value: Sendable>(
    _ words: [String], _ body: @Sendable (Companion) async throws -> Value
  ) async throws -> (outcome: Outcome, value: Value) {
    let folder = try WorkFolder()
    let output = try FileDescriptor.open(
      FilePath(folder["printed"]), .writeOnly, options: [.create, .append], permissions: .ownerReadWrite)
    let result = try await Subprocess.run(
      .path(FilePath(path)), arguments: Arguments(self.words + words), environment: subprocessEnvironment,
      input: .inputWriter, output: .fileDescriptor(output, closeAfterSpawningProcess: true), error: .combinedWithOutput
    ) { execution -> Swift.Result<Value, any Error> in
      let companion = Companion(
        processID: execution.processIdentifier.value, folder: folder, input: execution.standardInputWriter)
      do { return .success(try await body(companion)) } catch {
        try? execution.send(signal: .kill)
        return .failure(error)
      }
    }
    let outcome = Outcome(status: result.terminationStatus.number, output: folder.text(of: "printed"), errors: "")
    return (outcome, try result.closureResult.get())
  }

  func beside<Value: Sendable>(
    _ words: String..., body: @Sendable (Companion) async throws -> Value
  ) async throws -> (outcome: Outcome, value: Value) { try await beside(words, body) }
}
