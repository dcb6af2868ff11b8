import Synchronization
import Testing

@testable import Rundown

@Suite struct HandleTableTests {
  @Test("a handle finds its value until it is removed, and never again")
  func lifecycle() throws {
    let table = HandleTable<Int>(kind: 1)
    let first = try #require(table.insert(41))
    #expect(first.pointer != nil)
    #expect(table[first] == 41)
    #expect(table.remove(first) == 41)
    #expect(table.remove(first) == nil)
    #expect(table[first] == nil)
    let second = try #require(table.insert(42))
    #expect(second != first)
    #expect(table[first] == nil)
    #expect(table[second] == 42)
    #expect(table.count == 1)
  }

  @Test("NULL, random numbers and handles of another table are nothing")
  func forged() throws {
    let table = HandleTable<Int>(kind: 1)
    let other = HandleTable<Int>(kind: 2)
    let mine = try #require(table.insert(7))
    #expect(other.insert(8) != nil)
    #expect(other[mine] == nil)
    #expect(table[Handle(nil)] == nil)
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<100_000 {
      let forged = Handle(rawValue: generator.next())
      if forged != mine { #expect(table[forged] == nil) }
    }
  }

  @Test("8 threads insert, read and remove: each value is taken out by exactly one, and no handle is given twice")
  func hammer() {
    let table = HandleTable<Int>(kind: 3)
    let shared = Locked<[Handle]>([])
    let everGiven = Locked<Set<Handle>>([])
    let taken = Atomic<Int>(0)
    let failures = Atomic<Int>(0)
    let perThread = 5_000
    onThreads(8) { index in
      for number in 0..<perThread {
        let value = index * perThread + number
        guard let handle = table.insert(value), table[handle] == value else {
          failures.add(1, ordering: .relaxed)
          continue
        }
        if !everGiven.withLock({ $0.insert(handle).inserted }) { failures.add(1, ordering: .relaxed) }
        shared.withLock { $0.append(handle) }
        // Two threads may pick the same handle; the table decides who gets the value.
        let victim = shared.withLock { $0.randomElement() }
        if let victim, table.remove(victim) != nil { taken.add(1, ordering: .relaxed) }
      }
    }
    var rest = 0
    for handle in shared.withLock({ $0 }) where table.remove(handle) != nil { rest += 1 }
    #expect(failures.load(ordering: .relaxed) == 0)
    #expect(taken.load(ordering: .relaxed) + rest == 8 * perThread)
    #expect(table.count == 0)
  }
}
