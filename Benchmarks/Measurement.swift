import Foundation
import Glibc
import Hosting
import Providers

/// The median time of one call, in nanoseconds: `rounds` rounds of `count` calls each.
func median(rounds: Int = 31, count: Int, _ body: () -> Void) -> Double {
  var figures: [Double] = []
  for _ in 0..<rounds {
    let start = MonotonicTime.now
    for _ in 0..<count { body() }
    figures.append(Double((MonotonicTime.now.nanoseconds - start.nanoseconds)) / Double(count))
  }
  return figures.sorted()[rounds / 2]
}

/// The medians of two things measured turn by turn, so that a noisy moment hits both.
func medians(rounds: Int = 31, count: Int, _ first: () -> Void, _ second: () -> Void) -> (Double, Double) {
  var figures: ([Double], [Double]) = ([], [])
  for _ in 0..<rounds {
    figures.0.append(median(rounds: 1, count: count, first))
    figures.1.append(median(rounds: 1, count: count, second))
  }
  return (figures.0.sorted()[rounds / 2], figures.1.sorted()[rounds / 2])
}

/// Prints one line. Without a floor the ratio is that of the figure to the goal.
func report(_ name: String, _ value: Double, _ unit: String, floor: Double? = nil, goal: Double) {
  let ratio = floor.map { value / $0 } ?? value / goal
  let isMet = floor == nil ? value <= goal : ratio <= goal
  var line = "{\"name\":\"\(name)\",\"value\":\(text(value)),\"unit\":\"\(unit)\""
  if let floor { line += ",\"floor\":\(text(floor))" }
  line += ",\"ratio\":\(text(ratio)),\"goal\":\(text(goal)),\"goal_of\":\"\(floor == nil ? "value" : "ratio")\",\"met\":\(isMet)}"
  print(line)
}

private func text(_ number: Double) -> String { String(format: "%.3g", number) }

/// The memory of this process that is resident now, in bytes.
func residentBytes() -> Int {
  let words = FileManager.default.contents(atPath: "/proc/self/statm").map { String(decoding: $0, as: UTF8.self) } ?? ""
  return (words.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * Int(getpagesize())
}

/// A host with the providers of one directory.
func makeHost(_ directory: String) -> ProviderHost {
  let host = ProviderHost()
  host.load(from: [directory])
  return host
}
