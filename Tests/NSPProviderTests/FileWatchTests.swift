import Dispatch
import Foundation
import NSPProvider
import Testing

/// Files that are followed, whatever becomes of them.
@Suite struct FileWatchTests {
  private let folder = FileManager.default.temporaryDirectory.path + "/files-\(UUID().uuidString.prefix(8))"
  private let news = DispatchSemaphore(value: 0)

  private func watch(_ paths: String...) throws -> FileWatch {
    let (whole, news) = (paths.map { folder + "/" + $0 }, news)
    let watch = FileWatch(whole) { _ = news.signal() }
    return try #require(watch)
  }

  /// Does something, and says whether that was news.
  private func isNews(_ change: () throws -> Void) rethrows -> Bool {
    while news.wait(timeout: .now() + .milliseconds(50)) == .success {}
    try change()
    return news.wait(timeout: .now() + 10) == .success
  }

  private func write(_ text: String, _ name: String, atomically: Bool = false) throws {
    try text.write(toFile: "\(folder)/\(name)", atomically: atomically, encoding: .utf8)
  }

  @Test("a file is written, replaced, removed and made again; another one is nobody's news")
  func life() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try write("1", "one")
    let watch = try watch("one", "two")
    // Again and again, within one tick of the file system's clock and of the same length.
    for number in 2..<8 { #expect(try isNews { try write("\(number)", "one") }) }
    #expect(try isNews { try write("replaced", "one", atomically: true) })
    #expect(try isNews { try write("again", "one") })
    #expect(try isNews { try FileManager.default.removeItem(atPath: folder + "/one") })
    #expect(try isNews { try write("made", "one") })
    #expect(try isNews { try write("made", "two") })
    #expect(isNews { rename(folder + "/two", folder + "/three") })
    while news.wait(timeout: .now() + .milliseconds(50)) == .success {}
    try write("other", "three")
    #expect(news.wait(timeout: .now() + .milliseconds(300)) == .timedOut)
    withExtendedLifetime(watch) {}
  }

  @Test("a folder that is not there yet, one that is moved away, and links that lead somewhere else")
  func ways() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let watch = try watch("deep/down/file", "link/file")
    #expect(
      try isNews {
        try FileManager.default.createDirectory(atPath: folder + "/deep/down", withIntermediateDirectories: true)
        Thread.sleep(forTimeInterval: 0.1)
        try write("1", "deep/down/file")
      })
    #expect(try isNews { try write("2", "deep/down/file") })
    #expect(isNews { rename(folder + "/deep", folder + "/away") })
    for name in ["a", "b"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
      try write(name, name + "/file")
    }
    #expect(isNews { symlink("a", folder + "/link") })
    #expect(try isNews { try write("more", "a/file") })
    #expect(
      isNews {
        symlink("b", folder + "/new")
        rename(folder + "/new", folder + "/link")
      })
    #expect(try isNews { try write("more", "b/file") })
    withExtendedLifetime(watch) {}
  }

  @Test("a watch that is let go of tells nothing more")
  func ending() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    do { _ = try watch("one") }
    Thread.sleep(forTimeInterval: 0.05)
    try write("1", "one")
    #expect(news.wait(timeout: .now() + .milliseconds(300)) == .timedOut)
  }
}
