import Testing

@testable import HostDaemon

@Suite struct FairQueueTests {
  private typealias Queue = FairQueue<String>

  private func order(_ queue: inout Queue) -> [String] {
    var order: [String] = []
    while let next = queue.popFirst() { order.append(next) }
    return order
  }

  @Test("users take turns, their processes take turns in those, and what one process has stays in order")
  func turns() {
    var queue = Queue()
    for number in 1...3 { queue.append("a1-\(number)", of: .init(user: 1, process: 1)) }
    for number in 1...2 { queue.append("a2-\(number)", of: .init(user: 1, process: 2)) }
    for number in 1...2 { queue.append("b-\(number)", of: .init(user: 2, process: 3)) }
    #expect(order(&queue) == ["a1-1", "b-1", "a2-1", "b-2", "a1-2", "a2-2", "a1-3"])
    #expect(queue.isEmpty && queue.popFirst() == nil)
  }

  @Test("whoever comes while another floods has one turn to wait")
  func flood() {
    var queue = Queue()
    for number in 0..<10_000 { queue.append("flood-\(number)", of: .init(user: 1, process: 1)) }
    for round in 0..<100 {
      queue.append("other", of: .init(user: 1, process: 2))
      let next = [queue.popFirst(), queue.popFirst()]
      #expect(next.contains("other") && next.contains("flood-\(round)"))
    }
    #expect(order(&queue).count == 9_900)
  }

  @Test("nothing is lost, doubled or overtaken in its process, whatever comes and goes")
  func random() {
    var numbers = SystemRandomNumberGenerator()
    var queue = FairQueue<(Int32, Int)>()
    var (given, taken): ([Int32: Int], [Int32: Int]) = ([:], [:])
    for _ in 0..<50_000 {
      if Bool.random(using: &numbers) {
        let process = Int32.random(in: 0..<40, using: &numbers)
        queue.append((process, given[process, default: 0]), of: .init(user: UInt32(process % 7), process: process))
        given[process, default: 0] += 1
      } else if let (process, number) = queue.popFirst() {
        #expect(number == taken[process, default: 0])
        taken[process, default: 0] += 1
      }
    }
    while let (process, _) = queue.popFirst() { taken[process, default: 0] += 1 }
    #expect(given == taken)
  }

  @Test("who may not have the turn is passed over, and keeps its place")
  func passedOver() {
    var queue = Queue()
    for (user, name) in [(1, "a"), (2, "b"), (3, "c"), (1, "d")] {
      queue.append(name, of: .init(user: UInt32(user), process: 1))
    }
    #expect(queue.popFirst { $0 == 3 } == "c")
    #expect(queue.popFirst { $0 == 3 } == nil && queue.popFirst { $0 == 9 } == nil)
    #expect(order(&queue) == ["a", "b", "d"] && queue.isEmpty)
  }
}
