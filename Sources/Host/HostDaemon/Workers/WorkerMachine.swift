import Hosting
import Providers
import QuerySets

/// The life of a worker as a table, over all its processes. It knows no process, no thread and no clock: the owner brings each event with its time, and
/// performs the effects after its lock is released.
///
/// starting → loading → attaching → serving. A death leads to dead, quarantined or over; a release leads to stopping and over.
struct WorkerMachine: Sendable {
  enum Phase: Sendable, Equatable {
    /// A process is about to be made.
    case starting
    /// The process loads its file.
    case loading
    /// The file is loaded. Its provider is attached when the provider that it replaces has left.
    case attaching
    case serving
    /// The process has died. Another one is started at that time.
    case dead(until: MonotonicTime)
    /// The processes have died too often. Another one is started when an operator asks for it.
    case quarantined
    /// The process is asked to end, and no other one is started.
    case stopping
    case over
  }

  enum Event: Sendable, Equatable {
    case spawned(Int32)
    /// The system gives no process.
    case noProcess
    /// Something is known of a process. What is said of an earlier process changes nothing.
    case process(Int32, Sign)
    case pauseOver
    /// An operator wants it to serve now.
    case revived
    /// An operator or the host wants it to end.
    case released
  }

  enum Sign: Sendable, Equatable {
    /// The file is loaded.
    case loaded
    /// The provider is attached.
    case attached
    case noted(WorkerNote)
    /// Its connection is of no use any more. These routines ran.
    case lost(running: [String])
    /// All that came over its connection is served.
    case parted
    /// A routine does not return.
    case hung
    /// The time to load the file is over.
    case startOverdue
    /// It has ended, with this status of `waitpid`.
    case ended(Int32)
  }

  enum Effect: Sendable, Equatable {
    case spawn
    case awaitEnd(Int32)
    case kill(Int32)
    /// Asks the process to end.
    case letGo
    /// Brings the event when so much time has passed.
    case after(Duration, Event)
    case tell(ProviderHosting)
    /// Writes of what the process has died, and what follows.
    case logDeath(String)
    /// The owner lets go of the worker.
    case leave
  }

  /// What is known of one process.
  private struct Process {
    enum Link { case none, connected, parted }

    let id: Int32
    var link = Link.none
    /// What `waitpid` has given.
    var end: Int32?
    /// The host has killed it, because it did not return.
    var isKilled = false
    var running: [String] = []
    /// What it has reported of its provider, and the number of that report.
    var failing: String?
    var reports: UInt32 = 0
  }

  /// So many deaths in so long a time quarantine it.
  static let mostDeaths = 5
  static let memory: Duration = .seconds(60)
  static let firstPause: Duration = .milliseconds(50)
  static let longestPause: Duration = .seconds(5)
  /// How long what a dead process has said may be on its way.
  static let partingTime: Duration = .milliseconds(500)

  private let path: String
  private let startTime: Duration
  private let restarts: Bool

  private(set) var phase = Phase.starting
  private var process: Process?
  /// The process that has died last: others may still speak of it.
  private var former: Int32 = -1
  /// How often a process has got as far as to serve, or has died.
  private(set) var outcomes = 0
  /// Why the file can't be used.
  private(set) var refusal: Refusal?
  /// The file was good once: what it refuses now may pass.
  private var hasServed = false
  /// Those that are remembered.
  private var deaths: [MonotonicTime] = []
  private var deathCount = 0
  private(set) var lastDeath: String?
  private var confinement: [String] = []

  /// - Parameters:
  ///   - startTime: How long the file may take to load.
  ///   - restarts: Whether another process is started when one has died.
  init(path: String, startTime: Duration, restarts: Bool) {
    (self.path, self.startTime, self.restarts) = (path, startTime, restarts)
  }

  /// The process that can be signalled.
  var processID: Int32? { process.flatMap { $0.end == nil ? $0.id : nil } }

  /// Whether a process is this one, or the last one before it.
  func isOrWas(_ id: Int32) -> Bool { process?.id == id || former == id }

  var isResting: Bool {
    switch phase {
    case .dead, .quarantined: true
    case .starting, .loading, .attaching, .serving, .stopping, .over: false
    }
  }

  /// Why its provider can answer nothing; nil where it does not say so.
  var failing: String? { process?.failing }

  /// What people are shown.
  var hosting: ProviderHosting {
    let state: ProviderHosting.State =
      switch phase {
      case .starting, .loading, .attaching: .starting
      case .serving, .stopping: .running
      case .dead: .restarting
      case .quarantined: .quarantined
      case .over: .dead
      }
    var hosting = ProviderHosting(state, processID: processID)
    (hosting.deaths, hosting.lastDeath, hosting.confinement) = (deathCount, lastDeath, confinement)
    return hosting
  }

  /// A process has connected: true for the first connection of the one that is there.
  mutating func claim(_ id: Int32) -> Bool {
    guard process?.id == id, process?.link == Process.Link.none else { return false }
    process?.link = .connected
    return true
  }

  mutating func handle(_ event: Event, at now: MonotonicTime) -> [Effect] {
    switch (phase, event) {
    case (.over, _), (.stopping, .released): return []
    case (.starting, .spawned(let id)):
      (phase, process) = (.loading, Process(id: id))
      return [.tell(hosting), .awaitEnd(id), .after(startTime, .process(id, .startOverdue))]
    case (.starting, .noProcess) where hasServed:
      phase = .dead(until: now + Self.longestPause)
      return [.tell(hosting), .after(Self.longestPause, .pauseOver)]
    case (.starting, .noProcess):
      refuse("no process can be started", "raise the limits of processes and descriptors")
      (phase, outcomes) = (.over, outcomes + 1)
      return [.tell(hosting), .leave]
    case (.dead(let end), .pauseOver): return now < end ? [] : startAgain()
    case (_, .pauseOver): return []
    case (_, .revived):
      deaths = []
      return isResting ? startAgain() : []
    case (_, .released):
      phase = process == nil ? .over : .stopping
      return [process == nil ? .leave : .letGo]
    case (_, .process(let id, let sign)): return id == process?.id ? handle(sign, of: id, at: now) : []
    case (_, .spawned), (_, .noProcess): preconditionFailure("\(event) in \(phase)")
    }
  }

  private mutating func handle(_ sign: Sign, of id: Int32, at now: MonotonicTime) -> [Effect] {
    switch (phase, sign) {
    case (.loading, .loaded): phase = .attaching
    case (.loading, .attached), (.attaching, .attached):
      (phase, outcomes, hasServed) = (.serving, outcomes + 1, true)
      return [.tell(hosting)]
    case (_, .noted(let note)):
      take(note)
      return phase == .stopping ? [] : [.tell(hosting)]
    case (_, .lost(let running)):
      process?.running = running
      // A worker whose connection has ended serves no calls.
      return phase == .stopping || processID == nil ? [] : [.kill(id)]
    case (.loading, .startOverdue) where processID == id, (_, .hung) where processID == id:
      process?.isKilled = true
      return [.kill(id)]
    case (_, .ended(let status)):
      process?.end = status
      // The routines that ran, and why the file was refused, are the last things that come over its connection.
      return process?.link == .connected ? [.after(Self.partingTime, .process(id, .parted))] : died(status, at: now)
    case (_, .parted):
      process?.link = .parted
      if let status = process?.end { return died(status, at: now) }
    case (_, .loaded), (_, .attached), (_, .startOverdue), (_, .hung): break
    }
    return []
  }

  private mutating func take(_ note: WorkerNote) {
    switch note {
    case .refused(let reason, let detail, let remedy):
      refusal = Refusal(path: path, reason: reason, detail: detail, remedy: remedy)
    case .confinement(let lines): confinement = lines
    case .failing(let reason, let number):
      guard let former = process?.reports, number > former else { return }
      process?.failing = reason
      process?.reports = number
    }
  }

  private mutating func refuse(_ detail: String, _ remedy: String) {
    refusal = Refusal(path: path, reason: .failedToLoad, detail: detail, remedy: remedy)
  }

  private mutating func startAgain() -> [Effect] {
    phase = .starting
    return [.tell(hosting), .spawn]
  }

  private mutating func died(_ status: Int32, at now: MonotonicTime) -> [Effect] {
    guard let dead = process.take() else { return [] }
    (former, outcomes) = (dead.id, outcomes + 1)
    if phase == .stopping || refusal != nil && !hasServed {
      phase = .over
      return [.leave]
    }
    let place =
      phase == .loading
      ? " while it was being loaded" + (refusal.map { " (\($0.detail))" } ?? "")
      : dead.running.isEmpty ? " outside its routines" : " in \(dead.running.joined(separator: ", "))"
    let death = (dead.isKilled ? "killed, because it did not return" : ProcessEnd.text(status)) + place
    deaths = deaths.filter { now - $0 < Self.memory } + [now]
    (deathCount, lastDeath, refusal) = (deathCount + 1, death, nil)
    guard restarts else {
      if phase == .loading { refuse("its process has died: \(death)", "see what it does when it is loaded") }
      phase = .over
      return [.tell(hosting), .logDeath(death), .leave]
    }
    if deaths.count >= Self.mostDeaths {
      phase = .quarantined
      let course = "it has died \(deaths.count) times in a minute, and is left alone: nsphost enable lifts that"
      return [.tell(hosting), .logDeath("\(death): \(course)")]
    }
    let pause = min(Self.firstPause * (1 << (deaths.count - 1)), Self.longestPause)
    phase = .dead(until: now + pause)
    let course = "it is started again in \(Int(pause / .milliseconds(1))) ms"
    return [.tell(hosting), .logDeath("\(death): \(course)"), .after(pause, .pauseOver)]
  }
}
