import Glibc
import Providers
import Testing

@testable import HostDaemon

@Suite struct WorkerMachineTests {
  private typealias Machine = WorkerMachine

  /// Of `waitpid`, for a process that a signal has ended.
  private static let segmentationFault = SIGSEGV

  /// A machine, the time, and the processes that it was given.
  private struct Life {
    var machine: WorkerMachine
    var now = MonotonicTime(nanoseconds: 1)
    var processID: Int32 = 100

    init(restarts: Bool = true) { machine = Machine(path: "/p/dir.so", startTime: .seconds(10), restarts: restarts) }

    mutating func handle(_ event: WorkerMachine.Event) -> [WorkerMachine.Effect] { machine.handle(event, at: now) }
    mutating func sign(_ sign: WorkerMachine.Sign) -> [WorkerMachine.Effect] { handle(.process(processID, sign)) }

    /// Starts the next process, up to the moment in which it has connected.
    mutating func spawn() {
      processID += 1
      _ = handle(.spawned(processID))
      _ = machine.claim(processID)
    }

    mutating func serve() {
      spawn()
      _ = sign(.loaded)
      _ = sign(.attached)
    }

    /// The process ends, and its connection after it.
    mutating func die() -> [WorkerMachine.Effect] { sign(.ended(segmentationFault)) + sign(.parted) }

    /// Brings the event that the machine has asked for when its time has come.
    mutating func pause(_ effects: [WorkerMachine.Effect]) -> [WorkerMachine.Effect] {
      for case .after(let span, .pauseOver) in effects {
        now = now + span
        return handle(.pauseOver)
      }
      return []
    }
  }

  @Test("a process loads its file, and serves when its provider is attached")
  func start() {
    var life = Life()
    #expect(life.machine.phase == .starting)
    let effects = life.handle(.spawned(7))
    #expect(effects == [.tell(life.machine.hosting), .awaitEnd(7), .after(.seconds(10), .process(7, .startOverdue))])
    #expect(life.machine.hosting == ProviderHosting(.starting, processID: 7))
    #expect(life.handle(.process(7, .loaded)).isEmpty)
    #expect(life.machine.phase == .attaching)
    #expect(life.machine.outcomes == 0)
    #expect(life.handle(.process(7, .attached)) == [.tell(ProviderHosting(.running, processID: 7))])
    #expect(life.machine.phase == .serving)
    #expect(life.machine.outcomes == 1)
  }

  @Test("the first connection of a process is the one that it serves over, and one of an earlier process is not")
  func claim() {
    var life = Life()
    let early = life.machine.claim(101)
    _ = life.handle(.spawned(101))
    let (first, again, other) = (life.machine.claim(101), life.machine.claim(101), life.machine.claim(5))
    #expect(!early && first && !again && !other)
    life.processID = 101
    _ = life.pause(life.die())
    #expect(life.machine.isOrWas(101))
    _ = life.handle(.spawned(102))
    let former = life.machine.claim(101)
    let new = life.machine.claim(102)
    #expect(!former && new)
  }

  @Test("each death within a minute doubles the pause, and the fifth one quarantines")
  func backOff() {
    var life = Life()
    var pauses: [Duration] = []
    for _ in 1..<Machine.mostDeaths {
      life.serve()
      let effects = life.die()
      for case .after(let span, .pauseOver) in effects { pauses.append(span) }
      #expect(life.machine.hosting.state == .restarting)
      #expect(life.pause(effects) == [.tell(life.machine.hosting), .spawn])
      #expect(life.machine.phase == .starting)
    }
    #expect(pauses == [.milliseconds(50), .milliseconds(100), .milliseconds(200), .milliseconds(400)])
    life.serve()
    let line = "SIGSEGV outside its routines: it has died 5 times in a minute, and is left alone: nsphost enable lifts that"
    #expect(life.die().suffix(2) == [.tell(life.machine.hosting), .logDeath(line)])
    #expect(life.machine.phase == .quarantined)
    #expect(life.machine.hosting.deaths == 5)
    life.now = life.now + .seconds(3600)
    #expect(life.handle(.pauseOver).isEmpty)
  }

  @Test("deaths that are longer ago than a minute are forgotten")
  func memory() {
    var life = Life()
    for _ in 0..<20 {
      life.serve()
      let effects = life.die()
      #expect(effects.contains(.after(Machine.firstPause, .pauseOver)))
      _ = life.pause(effects)
      life.now = life.now + Machine.memory
    }
    #expect(life.machine.hosting.deaths == 20)
  }

  @Test("an operator ends a pause and a quarantine, and the deaths before count no more")
  func revive() {
    var life = Life()
    for _ in 1..<Machine.mostDeaths {
      life.serve()
      _ = life.pause(life.die())
    }
    life.serve()
    _ = life.die()
    #expect(life.handle(.revived) == [.tell(life.machine.hosting), .spawn])
    #expect(life.machine.phase == .starting)
    life.serve()
    #expect(life.handle(.revived).isEmpty)
    let effects = life.die()
    #expect(life.machine.phase == .dead(until: life.now + Machine.firstPause))
    #expect(life.handle(.revived) == [.tell(life.machine.hosting), .spawn])
    life.serve()
    // The pause that was cut short.
    #expect(life.pause(effects).isEmpty)
    #expect(life.machine.phase == .serving)
  }

  @Test("a pause that was cut short does not end the next one")
  func latePause() {
    var life = Life()
    life.serve()
    _ = life.die()
    _ = life.handle(.revived)
    life.serve()
    life.now = life.now + .milliseconds(20)
    _ = life.die()
    life.now = life.now + .milliseconds(30)
    #expect(life.handle(.pauseOver).isEmpty, "50 ms after the first death, 30 ms after the second one")
    life.now = life.now + .milliseconds(20)
    #expect(life.handle(.pauseOver) == [.tell(life.machine.hosting), .spawn])
    #expect(life.handle(.pauseOver).isEmpty)
  }

  @Test("what a process has said before its end is waited for, and counts in either order")
  func lastWords() {
    for isFirst in [true, false] {
      var life = Life()
      life.serve()
      if isFirst { #expect(life.sign(.lost(running: ["NSPv2Startup"])) == [.kill(101)]) }
      #expect(life.sign(.ended(Self.segmentationFault)) == [.after(Machine.partingTime, .process(101, .parted))])
      #expect(life.machine.processID == nil)
      if !isFirst { _ = life.sign(.lost(running: ["NSPv2Startup"])) }
      #expect(!life.sign(.parted).isEmpty)
      #expect(life.machine.lastDeath == "SIGSEGV in NSPv2Startup")
      #expect(life.sign(.parted).isEmpty, "the time to part is over afterwards")
    }
    var parted = Life()
    parted.serve()
    #expect(parted.sign(.parted).isEmpty)
    #expect(parted.sign(.ended(Self.segmentationFault)).contains(.after(Machine.firstPause, .pauseOver)))
    var mute = Life()
    _ = mute.handle(.spawned(101))
    #expect(mute.handle(.process(101, .ended(0x300))).contains(.after(Machine.firstPause, .pauseOver)), "it never connected")
    #expect(mute.machine.lastDeath == "exit with status 3 while it was being loaded")
  }

  @Test("what comes late of an earlier process changes nothing")
  func late() {
    var life = Life()
    life.serve()
    let former = life.processID
    _ = life.pause(life.die())
    life.spawn()
    let before = life.machine.hosting
    let signs: [Machine.Sign] = [
      .loaded, .attached, .noted(.refused(.damaged, detail: "", remedy: "")), .noted(.confinement(["line"])), .lost(running: []),
      .parted, .hung, .startOverdue,
    ]
    for sign in signs { #expect(life.handle(.process(former, sign)).isEmpty, "\(sign)") }
    #expect(life.machine.hosting == before)
    #expect(life.machine.phase == .loading)
    #expect(life.machine.refusal == nil)
  }

  @Test("a file that is refused ends the worker, unless it has served before")
  func refused() {
    var life = Life()
    life.spawn()
    _ = life.sign(.noted(.refused(.missingLibrary, detail: "libx.so is missing", remedy: "install it")))
    #expect(life.die().last == .leave)
    #expect(life.machine.phase == .over)
    #expect(life.machine.refusal?.detail == "libx.so is missing")

    life = Life()
    life.serve()
    _ = life.pause(life.die())
    life.spawn()
    _ = life.sign(.noted(.refused(.missingLibrary, detail: "libx.so is missing", remedy: "install it")))
    _ = life.die()
    #expect(life.machine.isResting)
    #expect(life.machine.refusal == nil)
    #expect(life.machine.lastDeath == "SIGSEGV while it was being loaded (libx.so is missing)")
  }

  @Test("a file that takes too long to load is killed, and one that waits to be attached is not")
  func startTime() {
    var life = Life()
    life.spawn()
    #expect(life.sign(.startOverdue) == [.kill(101)])
    _ = life.sign(.ended(SIGKILL))
    #expect(life.sign(.startOverdue).isEmpty, "its number may be another's")
    _ = life.sign(.parted)
    #expect(life.machine.lastDeath == "killed, because it did not return while it was being loaded")

    life = Life()
    life.spawn()
    _ = life.sign(.loaded)
    #expect(life.sign(.startOverdue).isEmpty)
    #expect(life.sign(.hung) == [.kill(101)])
  }

  @Test("the newest report of a provider counts, and a new process has made none")
  func reports() {
    var life = Life()
    life.serve()
    _ = life.sign(.noted(.failing("no route", 2)))
    _ = life.sign(.noted(.failing(nil, 1)))
    #expect(life.machine.failing == "no route")
    _ = life.pause(life.die())
    life.spawn()
    #expect(life.machine.failing == nil)
    _ = life.sign(.noted(.failing("no server", 1)))
    #expect(life.machine.failing == "no server")
  }

  @Test("a release asks the process to end, waits for what it says, and starts no other one")
  func release() {
    var life = Life()
    life.serve()
    #expect(life.handle(.released) == [.letGo])
    #expect(life.handle(.released).isEmpty)
    #expect(life.sign(.lost(running: [])).isEmpty, "it ends in its own time")
    #expect(life.sign(.hung) == [.kill(101)])
    #expect(life.sign(.noted(.confinement([]))).isEmpty, "nobody is told of it any more")
    #expect(life.sign(.ended(0)) == [.after(Machine.partingTime, .process(101, .parted))])
    #expect(life.machine.phase == .stopping)
    #expect(life.sign(.parted) == [.leave])
    #expect(life.machine.phase == .over)
    #expect(life.handle(.revived).isEmpty)
  }

  @Test("without a process a release is the end, also of a pause and of a quarantine")
  func releaseAtRest() {
    var starting = Life()
    #expect(starting.handle(.released) == [.leave])
    #expect(starting.handle(.noProcess).isEmpty)
    var resting = Life()
    resting.serve()
    let effects = resting.die()
    #expect(resting.handle(.released) == [.leave])
    #expect(resting.pause(effects).isEmpty)
    #expect(resting.machine.phase == .over)
  }

  @Test("without a process the first start is refused, and a later one is tried again")
  func noProcess() {
    var life = Life()
    #expect(life.handle(.noProcess).last == .leave)
    #expect(life.machine.refusal?.detail == "no process can be started")
    #expect(life.machine.outcomes == 1)

    life = Life()
    life.serve()
    _ = life.pause(life.die())
    let effects = life.handle(.noProcess)
    #expect(effects == [.tell(life.machine.hosting), .after(Machine.longestPause, .pauseOver)])
    #expect(life.pause(effects).last == .spawn)
  }

  @Test("a host for one command starts no second process, and says why the first one did not load")
  func once() {
    var life = Life(restarts: false)
    life.serve()
    #expect(life.die().suffix(3) == [.tell(life.machine.hosting), .logDeath("SIGSEGV outside its routines"), .leave])
    #expect(life.machine.hosting.state == .dead)
    #expect(life.machine.refusal == nil)

    life = Life(restarts: false)
    life.spawn()
    _ = life.die()
    #expect(life.machine.refusal?.detail == "its process has died: SIGSEGV while it was being loaded")
  }
}
