import Foundation
import Testing

/// What the kernel counts of a process at this moment.
struct ProcessFigures: Sendable {
  /// Open descriptors.
  var descriptors: Int
  /// KiB of memory: all that is resident, and what of it the process has allocated.
  var resident: Int
  var allocated: Int

  init(of process: Int32) throws {
    descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    func size(_ name: String) throws -> Int {
      let line = try #require(status.split(separator: "\n").first { $0.hasPrefix(name + ":") })
      return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1]))
    }
    (resident, allocated) = (try size("VmRSS"), try size("RssAnon"))
  }
}
