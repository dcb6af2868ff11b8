import Foundation
import Testing

/// Providers and libraries that are made by the C compiler, in a folder of the test's own.
struct LoadedFiles: Sendable {
  static let sources = Built.package + "/Tests/Clients/"

  let folder: WorkFolder
  /// Without links, as the dynamic linker says it.
  let path: String

  init() throws {
    folder = try WorkFolder()
    path = URL(filePath: folder.path).resolvingSymlinksInPath().path
  }

  subscript(_ name: String) -> String { path + "/" + name }

  /// - Parameter source: What the compiler reads as `-`.
  func shared(_ words: [String], source: String = "") async throws {
    let flags = "cc -std=gnu11 -Wall -Wextra -Werror -shared -fPIC -O1 -fvisibility=hidden".split(separator: " ").map(String.init)
    let include = "-I" + Built.package + "/Sources/ABI/CWinsock/include"
    let outcome = try await Program(path: "/usr/bin/env").run(flags + [include] + words, input: source)
    try #require(outcome.status == 0, "\(words): \(outcome)")
  }

  /// See loading.c. Its id is that of `id(number)`.
  @discardableResult
  func provider(_ file: String, _ name: String, _ number: Int, _ flags: String...) async throws -> String {
    let names = ["-DNAME=\"\(name)\"", "-DNUMBER=\(number)", "-o", self[file]]
    try await shared(names + [Self.sources + "loading.c"] + flags)
    return self[file]
  }

  /// A library with a function.
  func library(_ file: String, _ function: String, _ flags: String...) async throws {
    try await library(file, source: "int \(function)(void) { return 1; }", flags)
  }

  func library(_ file: String, source: String, _ flags: [String]) async throws {
    try folder.make(URL(filePath: file).relativePath.split(separator: "/").dropLast().joined(separator: "/"))
    try await shared(["-fvisibility=default", "-o", self[file], "-x", "c", "-"] + flags, source: source + "\n")
  }

  static func id(_ number: Int) -> String { String(0x10ad_1400 + number, radix: 16) + "-0001-4000-8000-000000000001" }
}
