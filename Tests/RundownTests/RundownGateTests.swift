import Dispatch
import Foundation
import Synchronization
import Testing

@testable import Rundown

/// Runs `body` on `count` real threads at once and waits for all of them.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let group = DispatchGroup()
  for index in 0..<count {
    group.enter()
    Thread {
      body(index)
      group.leave()
    }.start()
  }
  group.wait()
}

@Suite struct RundownGateTests {
  @Test("an open gate lets in, a closed one does not")
  func openAndClosed() {
    let gate = RundownGate()
    #expect(gate.enter())
    #expect(gate.occupants == 1)
    #expect(gate.close())
    #expect(!gate.close())
    #expect(!gate.enter())
    gate.leave()
    #expect(gate.closeAndWait())
  }

  @Test("closing waits for the last one inside, and says so when the deadline comes first")
  func waits() {
    let gate = RundownGate()
    #expect(gate.enter())
    #expect(!gate.closeAndWait(until: .now()))
    let drained = Atomic<Int>(0)
    gate.close { drained.add(1, ordering: .relaxed) }
    #expect(drained.load(ordering: .relaxed) == 0)
    gate.leave()
    #expect(drained.load(ordering: .relaxed) == 1)
    #expect(gate.closeAndWait())
  }

  @Test("an empty gate drains at once, on the thread that closes it")
  func emptyGate() {
    let gate = RundownGate()
    let drained = Atomic<Int>(0)
    gate.close { drained.add(1, ordering: .relaxed) }
    gate.close { drained.add(1, ordering: .relaxed) }
    #expect(drained.load(ordering: .relaxed) == 2)
  }

  @Test("8 threads enter and leave while it closes: nobody is inside once the close has returned")
  func hammer() {
    for round in 0..<200 {
      let gate = RundownGate()
      let inside = Atomic<Int>(0)
      let entered = Atomic<Int>(0)
      let isDown = Atomic<Bool>(false)
      let violations = Atomic<Int>(0)
      onThreads(8) { index in
        if index == 7 {
          for _ in 0..<(round % 50) { sched_yield() }
          if !gate.closeAndWait() { violations.add(1, ordering: .relaxed) }
          if inside.load(ordering: .acquiring) != 0 { violations.add(1, ordering: .relaxed) }
          isDown.store(true, ordering: .releasing)
          return
        }
        for _ in 0..<100_000 {
          guard gate.enter() else { return }
          inside.add(1, ordering: .acquiringAndReleasing)
          entered.add(1, ordering: .relaxed)
          if isDown.load(ordering: .acquiring) { violations.add(1, ordering: .relaxed) }
          inside.subtract(1, ordering: .acquiringAndReleasing)
          gate.leave()
        }
      }
      #expect(violations.load(ordering: .relaxed) == 0)
      #expect(gate.occupants == 0)
    }
  }
}
