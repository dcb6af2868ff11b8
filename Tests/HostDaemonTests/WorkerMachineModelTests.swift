import Glibc
import Providers
import RandomSequences
import Testing

@testable import HostDaemon

/// Random sequences of what processes, timers and operators do, against the rules that hold in each of them.
@Suite struct WorkerMachineModelTests {
  /// What surrounds the machine: the processes that there are, and the timers that are set.
  private struct World {
    typealias Event = WorkerMachine.Event

    var machine: WorkerMachine
    var now = MonotonicTime(nanoseconds: 1)
    var last: Int32 = 100
    var living: Int32?
    /// A process is to be made.
    var isAwaited = true
    var isReleased = false
    var departures = 0
    var timers: [(end: MonotonicTime, event: Event)] = []
    var history: [String] = []
    /// The first rule that was broken.
    var defect: String?

    init(restarts: Bool) { machine = WorkerMachine(path: "/p/dir.so", startTime: .seconds(10), restarts: restarts) }

    mutating func require(_ isSo: Bool, _ rule: String) { if !isSo, defect == nil { defect = rule } }

    mutating func handle(_ event: Event) {
      history.append("\(event)")
      if event == .released { isReleased = true }
      for effect in machine.handle(event, at: now) {
        switch effect {
        case .spawn:
          require(living == nil && !isAwaited && !isReleased, "one process at a time, and none after a release")
          isAwaited = true
        case .awaitEnd(let id): require(id == living, "the end of the living process is awaited")
        case .kill(let id): require(id == living, "a process is killed only before its end")
        case .letGo: require(isReleased, "a process is let go of after a release")
        case .after(let span, let event): timers.append((now + span, event))
        case .tell(let hosting):
          require(hosting.processID == living, "what is told names the living process")
          require(!isReleased, "nothing is told after a release")
        case .logDeath: require(living == nil, "a death is logged after the end")
        case .leave: departures += 1
        }
      }
      let isOver = machine.phase == .over
      require(departures == (isOver ? 1 : 0), "it leaves once, at its end")
      require(!isOver || living == nil, "nothing lives at the end")
      if case .dead(let end) = machine.phase {
        require(timers.contains { $0.event == .pauseOver && $0.end >= end }, "a pause has an end")
      }
    }

    mutating func make(_ isPossible: Bool) {
      isAwaited = false
      // As the owner does: none is made where it is not wanted any more.
      guard isPossible, machine.phase == .starting else { return handle(.noProcess) }
      last += 1
      living = last
      handle(.spawned(last))
    }

    mutating func endProcess() {
      guard let id = living else { return }
      living = nil
      handle(.process(id, .ended(SIGSEGV)))
    }

    mutating func fire(_ timer: Int) {
      let (end, event) = timers.remove(at: timer)
      now = max(now, end)
      handle(event)
    }

    mutating func step(_ generator: inout SplitMix) {
      now = now + .milliseconds(Int.random(in: 0...30, using: &generator))
      // Of the process, or late of the one before it.
      let id = Bool.random(using: &generator) ? last : last - 1
      switch Int.random(in: 0..<16, using: &generator) {
      case 0..<4 where isAwaited: make(Int.random(in: 0..<8, using: &generator) > 0)
      case 0..<3: endProcess()
      case 3..<6: if !timers.isEmpty { fire(Int.random(in: 0..<timers.count, using: &generator)) }
      case 6, 7: _ = machine.claim(id)
      case 8: handle(.process(id, .loaded))
      case 9: handle(.process(id, .attached))
      case 10: handle(.process(id, .noted(.failing("no route", UInt32(history.count)))))
      case 11: handle(.process(id, .lost(running: ["NSPv2Startup"])))
      case 12: handle(.process(id, .parted))
      case 13: handle(.process(id, .hung))
      case 14: handle(.revived)
      default: if Int.random(in: 0..<20, using: &generator) == 0 { handle(.released) }
      }
    }

    /// Ends it, with whatever was still to come.
    mutating func end() {
      handle(.released)
      if isAwaited { make(true) }
      endProcess()
      while !timers.isEmpty { fire(0) }
      require(machine.phase == .over, "a release leads to the end")
    }
  }

  @Test("whatever comes in whatever order: one process at a time, each pause ends, and a release is the end")
  func anyOrder() {
    let seed = UInt64.random(in: 0..<1 << 32)
    print("worker machine: seed \(seed)")
    var generator = SplitMix(state: seed)
    for number in 0..<5_000 {
      var world = World(restarts: number % 8 != 0)
      for _ in 0..<60 where world.defect == nil { world.step(&generator) }
      world.end()
      if let defect = world.defect {
        Issue.record("sequence \(number) of seed \(seed): \(defect)\n\(world.history.joined(separator: "\n"))")
        return
      }
    }
  }
}
