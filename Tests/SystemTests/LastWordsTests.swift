import Foundation
import Testing

/// What a process says as it dies, without a host.
@Suite(.timeLimit(.minutes(2))) struct LastWordsTests {
  @Test(
    "a crash says where it was, with whatever stack is left; what ran is read by the process that watches, when nobody is left to say it"
  )
  func dying() async throws {
    let folder = try WorkFolder()
    let sources = Built.package + "/Sources/System/CLastWords"
    let files = try FileManager.default.contentsOfDirectory(atPath: sources).filter { $0.hasSuffix(".c") }
    try await compile(
      [Built.package + "/Tests/Clients/lastwords.c"] + files.map { sources + "/" + $0 },
      ["-O1", "-I" + sources + "/include", "-pthread"], to: folder["lastwords"])
    let program = Program(path: folder["lastwords"])
    let outside = "the host itself: died outside of every provider: SIGSEGV"
    for (how, line) in [
      // Right below memory that can't be read, then with a stack pointer that leads nowhere.
      ("guard", outside), ("guard", outside), ("guard", outside), ("stack", outside),
      ("reading", "the host itself: died while reading a record of alpha: SIGSEGV"),
      ("routine", "alpha: died in NSPv2LookupServiceNextEx: SIGSEGV"),
    ] {
      let outcome = try await program.run(how)
      #expect(outcome.status == 128 + SIGSEGV && outcome.output + outcome.errors == "nsphost: \(line)\n", "\(how): \(outcome)")
    }
    let record = try await program.run("record")
    #expect(record.output == "0 0 Begin of alpha\n", "\(record)")
  }
}
