import CLinux
import Dispatch
import Glibc
import Lookups
import Providers
import QuerySets
import Rundown

/// One worker: the process that runs a provider's file, started again when it dies, and left alone when it keeps dying.
///
/// A thread of the host's watches over it from its start to its end.
final class WorkerProcess: ProviderProcess {
  let path: String
  let manifest: Manifest
  private let socket: String
  /// Whether it is started again when it has died.
  private let restarts: Bool
  private let output: WorkerOutput?
  private let image: ELFImage
  private let told: @Sendable (ProviderHosting) -> Void
  private let whenOver: @Sendable (WorkerProcess) -> Void
  private let state: Locked<State>
  /// It has advertised, was refused, or has died before.
  private let settling = DispatchSemaphore(value: 0)
  /// Signalled when it is to stop, or to live again.
  private let wake = DispatchSemaphore(value: 0)
  private let ended = DispatchSemaphore(value: 0)
  /// The host has noticed that the connection is gone.
  private let parted = DispatchSemaphore(value: 0)

  private struct State {
    var hosting = ProviderHosting(.starting)
    /// Closing it asks the process to end.
    var leash: Int32 = -1
    var deaths: [MonotonicTime] = []
    var refusal: Refusal?
    var isConnected = false
    var hasAdvertised = false
    var running: [String] = []
    /// The process that has died last: some may still speak of it.
    var former: Int32 = -1
    var isKilled = false
    var isStopping = false
    var isRevived = false
    var isOver = false
    /// It was good once: what it refuses now may pass.
    var hasServed = false
    /// What the process has reported of its provider, and the number of that report.
    var failing: String?
    var reports: UInt32 = 0
  }

  init(
    _ image: ELFImage, at path: String, _ manifest: Manifest, socket: String, output: WorkerOutput?, restarts: Bool,
    told: @escaping @Sendable (ProviderHosting) -> Void,
    whenOver: @escaping @Sendable (WorkerProcess) -> Void
  ) {
    (self.path, self.manifest, self.socket, self.image, self.restarts) = (path, manifest, socket, image, restarts)
    self.output = output
    (self.told, self.whenOver) = (told, whenOver)
    state = Locked(State())
  }

  var processID: Int32? { state.withLock { $0.hosting.processID } }

  /// Whether a process is this one, or the last one before it.
  func isOrWas(_ processID: Int32) -> Bool { state.withLock { $0.hosting.processID == processID || $0.former == processID } }

  /// So many deaths in so long a time are enough.
  private static let mostDeaths = 5
  private static let memory: Duration = .seconds(60)
  private static let firstPause: Duration = .milliseconds(50)
  private static let longestPause: Duration = .seconds(5)
  /// How long it may take to end in order.
  private static let farewell: Duration = .seconds(3)

  func start() { HostThreads.run { [self] in watch() } }

  /// How long the file may take until it has advertised its provider.
  private var startDeadline: Duration { manifest.grace ?? .seconds(10) }

  /// Waits until it serves, or has died once. A refusal by the file is for good.
  func settled() -> Refusal? {
    // How one that hangs was killed is waited for where that is its end.
    let patience = restarts ? startDeadline : startDeadline + .seconds(2)
    // One that is attached takes its time only while another one leaves.
    while settling.wait(timeout: .now() + patience.interval) == .timedOut,
      state.withLock({ $0.hasAdvertised && $0.hosting.state != .running })
    {}
    return state.withLock { $0.refusal }
  }

  // MARK: What others notice

  /// True once for each process.
  func claim() -> Bool {
    state.withLock { state in
      defer { state.isConnected = true }
      return !state.isConnected
    }
  }

  func isAdvertising() { state.withLock { $0.hasAdvertised = true } }

  func hasAdvertised() {
    change { state in
      state.hosting.state = .running
      state.hasServed = true
    }
    settling.signal()
  }

  /// Why it does not take the place of one that serves; nil where it does.
  var failureToStart: Refusal? {
    state.withLock { state in
      guard state.hosting.state != .running else { return nil }
      return Refusal(
        path: path, reason: .failedToLoad, detail: "its process does not get ready: \(state.hosting.lastDeath ?? "it hangs")",
        remedy: "see what it does when it is loaded")
    }
  }

  var failing: String? { state.withLock { $0.failing } }

  func noted(_ note: WorkerNote) {
    change { state in
      switch note {
      case .refused(let reason, let detail, let remedy):
        state.refusal = Refusal(path: path, reason: reason, detail: detail, remedy: remedy)
      case .confinement(let lines): state.hosting.confinement = lines
      case .failing(let reason, let number): if number > state.reports { (state.failing, state.reports) = (reason, number) }
      }
    }
  }

  func lost(_ processID: Int32, running: [String]) {
    state.withLock { $0.running = running }
    // Without its connection it serves nobody.
    if !state.withLock({ $0.isStopping }) { end(processID) }
  }

  func hasParted() { parted.signal() }

  /// It does not return.
  func kill(_ processID: Int32) {
    state.withLock { if $0.hosting.processID == processID { $0.isKilled = true } }
    end(processID)
  }

  /// Under the lock: once it has been collected its id may be another's.
  private func end(_ processID: Int32) {
    state.withLock { if $0.hosting.processID == processID { _ = Glibc.kill(processID, SIGKILL) } }
  }

  /// A file that hangs while it is loaded.
  private func killUnlessReady(_ processID: Int32) {
    let isHung = state.withLock { state in
      guard state.hosting.processID == processID, !state.hasAdvertised, !state.isStopping else { return false }
      state.isKilled = true
      return true
    }
    if isHung { end(processID) }
  }

  private func change(_ body: (inout State) -> Void) {
    let hosting: ProviderHosting? = state.withLock { state in
      body(&state)
      return state.isStopping ? nil : state.hosting
    }
    if let hosting { told(hosting) }
  }

  // MARK: Ending

  /// Asks it to end, without waiting for that.
  func release() {
    let leash = state.withLock { state in
      state.isStopping = true
      defer { state.leash = -1 }
      return state.leash
    }
    // A child that some provider has made in this process may hold it, too: closing it alone would not be seen.
    if leash >= 0 {
      shutdown(leash, Int32(SHUT_RDWR))
      close(leash)
    }
    wake.signal()
  }

  func stop() {
    release()
    let processID = processID
    if ended.wait(timeout: .now() + Self.farewell.interval) == .timedOut, let processID {
      HostLog.write(.warning, provider: manifest.displayName, "its process \(processID) does not end: it is killed")
      end(processID)
      _ = ended.wait(timeout: .now() + 1)
    }
    ended.signal()
  }

  /// Waits for the end of one that is not started again.
  func awaitEnd(until deadline: MonotonicTime) {
    if ended.wait(timeout: .now() + (deadline - MonotonicTime.now).interval) == .success { ended.signal() }
  }

  func revive() -> Bool {
    if state.withLock({ $0.isOver }) { return false }
    while settling.wait(timeout: .now()) == .success {}
    let isResting = state.withLock { state in
      state.deaths = []
      guard state.hosting.state == .quarantined || state.hosting.state == .restarting else { return false }
      state.isRevived = true
      return true
    }
    guard isResting else { return true }
    wake.signal()
    _ = settling.wait(timeout: .now() + 5)
    return true
  }

  // MARK: Watching

  private func watch() {
    watching: while !state.withLock({ $0.isStopping }) {
      guard let processID = spawn() else {
        if state.withLock({ $0.isStopping }) { break }
        guard state.withLock({ $0.hasServed }) else {
          change { state in
            state.refusal = Refusal(
              path: path, reason: .failedToLoad, detail: "no process can be started",
              remedy: "raise the limits of processes and descriptors")
          }
          settling.signal()
          break
        }
        rest(until: .now() + Self.longestPause.interval)
        continue
      }
      // No deadline: a worker lives until it is ended.
      nsp_await_end(processID)
      var status: Int32 = 0
      state.withLock { state in
        // What it has started goes with it.
        Glibc.kill(-processID, SIGKILL)
        waitpid(processID, &status, 0)
        (state.hosting.processID, state.former) = (nil, processID)
      }
      switch died(status) {
      case .startAgain(let pause): rest(until: .now() + pause.interval)
      case .leaveAlone: rest(until: .distantFuture)
      case .over: break watching
      }
    }
    state.withLock { $0.isOver = true }
    whenOver(self)
    ended.signal()
  }

  /// What follows a death.
  private enum Course {
    case startAgain(after: Duration)
    case leaveAlone
    case over
  }

  private func died(_ status: Int32) -> Course {
    let (wasConnected, wasServing, leash) = state.withLock { state in
      defer { (state.isConnected, state.hasAdvertised, state.leash) = (false, false, -1) }
      return (state.isConnected, state.hasAdvertised, state.leash)
    }
    if leash >= 0 { close(leash) }
    // Which routines ran is known to those who waited for them, and why it refused is the last thing that it said.
    if wasConnected { _ = parted.wait(timeout: .now() + .milliseconds(500)) }
    defer { settling.signal() }
    if state.withLock({ $0.isStopping || $0.refusal != nil && !$0.hasServed }) { return .over }
    var (course, line) = (Course.leaveAlone, "")
    change { state in
      let now = MonotonicTime.now
      state.deaths = state.deaths.filter { now - $0 < Self.memory } + [now]
      let name = Self.name(of: status, isKilled: state.isKilled)
      let place =
        !wasServing
        ? " while it was being loaded" + (state.refusal.map { " (\($0.detail))" } ?? "")
        : state.running.isEmpty ? " outside its routines" : " in \(state.running.joined(separator: ", "))"
      (state.running, state.isKilled) = ([], false)
      (state.failing, state.reports) = (nil, 0)
      state.hosting.deaths += 1
      state.hosting.lastDeath = name + place
      state.refusal = nil
      guard restarts else {
        (state.hosting.state, course) = (.dead, .over)
        if !wasServing {
          state.refusal = Refusal(
            path: path, reason: .failedToLoad, detail: "its process has died: \(name)\(place)",
            remedy: "see what it does when it is loaded")
        }
        line = "\(name)\(place)"
        return
      }
      if state.deaths.count >= Self.mostDeaths {
        state.hosting.state = .quarantined
        line =
          "\(name)\(place): it has died \(state.deaths.count) times in a minute, and is left alone: nsphost enable lifts that"
      } else {
        state.hosting.state = .restarting
        let pause = min(Self.firstPause * (1 << (state.deaths.count - 1)), Self.longestPause)
        course = .startAgain(after: pause)
        line =
          "\(name)\(place): it is started again in \(pause.components.attoseconds / 1_000_000_000_000_000 + pause.components.seconds * 1000) ms"
      }
    }
    HostLog.write(.error, provider: manifest.displayName, "its process has died: \(line)")
    return course
  }

  private static func name(of status: Int32, isKilled: Bool) -> String {
    isKilled ? "killed, because it did not return" : ProcessEnd.text(status)
  }

  private func rest(until end: DispatchTime) {
    while wake.wait(timeout: end) == .success {
      let goesOn = state.withLock { state in
        defer { state.isRevived = false }
        return state.isStopping || state.isRevived
      }
      if goesOn { break }
    }
    change { if !$0.isStopping { $0.hosting.state = .starting } }
  }

  // MARK: Starting

  private func spawn() -> Int32? {
    var ends: [Int32] = [-1, -1]
    guard nsp_socket_pair(&ends) == 0 else { return nil }
    defer { close(ends[0]) }
    // Not on its command line, which everybody can read: there may be passwords among them.
    let settings = SettingsOnTheWay.bytes(manifest.settings)
    guard send(ends[1], settings, settings.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) == settings.count else {
      close(ends[1])
      return nil
    }
    while parted.wait(timeout: .now()) == .success {}
    let words = ["nsphost", "worker", path] + arguments
    // Under the lock: it may connect before it is known here otherwise.
    let processID: Int32 = state.withLock { state in
      guard !state.isStopping else { return -1 }
      let processID = Self.spawn(words, ends[0], output: output?.input ?? -1, staticTLS: staticTLS)
      if processID > 0 { (state.leash, state.hosting.processID) = (ends[1], processID) }
      return processID
    }
    guard processID > 0 else {
      close(ends[1])
      return nil
    }
    change { _ in }
    HostTimers.after(startDeadline) { [weak self] in
      self?.killUnlessReady(processID)
    }
    return processID
  }

  /// What its process keeps of every thread's storage for the file; 0 where what the dynamic linker keeps anyway is enough. A file that takes
  /// more than the most can't be loaded there either.
  private var staticTLS: Int {
    image.staticTLS > Self.usualStaticTLS ? min(image.staticTLS + Self.usualStaticTLS, Self.mostStaticTLS) : 0
  }

  /// What glibc keeps (glibc.rtld.optional_static_tls), and what is left of a thread's stack of 8 MiB.
  private static let usualStaticTLS = 512
  private static let mostStaticTLS = 4 << 20

  private var arguments: [String] {
    var words = ["--provider", manifest.id.description, "--name=\(manifest.displayName)", "--socket", socket]
    if !image.isUnloadable { words.append("--keep-mapped") }
    if image.asksForClasses { words.append("--takes-classes") }
    if manifest.allowsPartial { words.append("--allow-partial") }
    if manifest.advertises { words.append("--advertises") }
    if staticTLS > 0 { words += ["--static-tls", String(staticTLS)] }
    if let concurrency = manifest.concurrency { words += ["--concurrency", String(concurrency)] }
    if manifest.endsWait { words.append("--ends-wait") }
    let rules = manifest.confinement
    func add(_ name: String, _ value: Int?) { if let value { words += [name, String(value)] } }
    add("--memory-bytes", rules.memory)
    add("--cpu-seconds", rules.processorSeconds)
    add("--descriptors", rules.descriptors)
    add("--processes", rules.processes)
    if let user = rules.user { words += ["--user", user] }
    if let readable = rules.readable { words += ["--restrict-reading"] + readable.flatMap { ["--allow-read", $0] } }
    if let reachable = rules.reachable { words += ["--restrict-connecting"] + reachable.flatMap { ["--allow-connect", $0] } }
    return words
  }

  /// This very program, by its path where it is still there.
  private static let program = realpath("/proc/self/exe", nil).map { path in
    defer { free(path) }
    return String(cString: path)
  }

  private static func spawn(_ words: [String], _ input: Int32, output: Int32, staticTLS: Int) -> Int32 {
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    return nsp_spawn_worker(
      program.flatMap { access($0, X_OK) == 0 ? $0 : nil } ?? "/proc/self/exe", &arguments, input, output, staticTLS)
  }
}

/// How processes end, in words.
public enum ProcessEnd {
  /// - Parameter status: As `waitpid` gives it.
  public static func text(_ status: Int32) -> String {
    let signal = status & 0x7F
    if signal == 0 { return "exit with status \(status >> 8 & 0xFF)" }
    return signalNames[signal] ?? "signal \(signal)"
  }

  private static let signalNames: [Int32: String] = [
    SIGSEGV: "SIGSEGV", SIGABRT: "SIGABRT", SIGBUS: "SIGBUS", SIGILL: "SIGILL", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL",
    SIGTERM: "SIGTERM", SIGXCPU: "SIGXCPU (its processor time is over)", SIGSYS: "SIGSYS", SIGPIPE: "SIGPIPE",
    SIGINT: "SIGINT", SIGHUP: "SIGHUP", SIGALRM: "SIGALRM", SIGTRAP: "SIGTRAP",
  ]
}

extension Duration {
  /// For Dispatch.
  var interval: DispatchTimeInterval {
    let (seconds, attoseconds) = components
    return .nanoseconds(Int(min(seconds, 1 << 30)) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))
  }
}
