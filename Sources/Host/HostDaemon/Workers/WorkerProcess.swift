import CLinux
import Dispatch
import Glibc
import Hosting
import Providers
import QuerySets
import Rundown

/// One worker: the processes that run a provider's file, one after the other. `WorkerMachine` says what becomes of them.
final class WorkerProcess: ProviderProcess {
  let path: String
  let manifest: Manifest
  private let socket: String
  private let output: WorkerOutput?
  private let image: ELFImage
  /// How long `settled` waits for the worker.
  private let patience: Duration
  private let told: @Sendable (ProviderHosting) -> Void
  private let whenOver: @Sendable (WorkerProcess) -> Void
  private let state: Locked<State>

  private struct State {
    var machine: WorkerMachine
    /// Closing it asks the process to end.
    var leash: Int32 = -1
    /// The effects of the machine that are still to be performed, in order.
    var effects: [WorkerMachine.Effect] = []
    /// A thread performs effects.
    var isPerforming = false
    /// Signalled when the machine may have changed.
    var waiters: [DispatchSemaphore] = []
  }

  init(
    _ image: ELFImage, at path: String, _ manifest: Manifest, socket: String, output: WorkerOutput?, restarts: Bool,
    told: @escaping @Sendable (ProviderHosting) -> Void,
    whenOver: @escaping @Sendable (WorkerProcess) -> Void
  ) {
    (self.path, self.manifest, self.socket, self.image) = (path, manifest, socket, image)
    self.output = output
    (self.told, self.whenOver) = (told, whenOver)
    let startTime = manifest.grace ?? .seconds(10)
    // How long one that hangs takes to be killed is waited for where that is its end.
    patience = restarts ? startTime : startTime + .seconds(2)
    state = Locked(State(machine: WorkerMachine(path: path, startTime: startTime, restarts: restarts)))
  }

  private var machine: WorkerMachine { state.withLock { $0.machine } }

  var processID: Int32? { state.withLock { $0.machine.processID } }

  /// Whether a process is this one, or the last one before it.
  func isOrWas(_ processID: Int32) -> Bool { state.withLock { $0.machine.isOrWas(processID) } }

  var hosting: ProviderHosting { state.withLock { $0.machine.hosting } }

  var failing: String? { state.withLock { $0.machine.failing } }

  /// True once for each process.
  func claim(_ processID: Int32) -> Bool { state.withLock { $0.machine.claim(processID) } }

  /// Something has become known of a process. Calls out.
  func noted(_ sign: WorkerMachine.Sign, of processID: Int32) { handle(.process(processID, sign)) }

  func start() { spawn() }

  // MARK: The machine

  private func handle(_ event: WorkerMachine.Event) { advance { $0.machine.handle(event, at: .now) } }

  /// Changes the machine, and performs what it wants: in order, one thread at a time, and not under the lock.
  private func advance(_ change: (inout State) -> [WorkerMachine.Effect]) {
    let isAlone = state.withLock { state in
      state.effects += change(&state)
      defer { state.isPerforming = true }
      return !state.isPerforming
    }
    guard isAlone else { return }
    while let effect = nextEffect() { perform(effect) }
  }

  private func nextEffect() -> WorkerMachine.Effect? {
    state.withLock { state in
      if !state.effects.isEmpty { return state.effects.removeFirst() }
      state.isPerforming = false
      for waiter in state.waiters { waiter.signal() }
      return nil
    }
  }

  private func perform(_ effect: WorkerMachine.Effect) {
    switch effect {
    case .spawn: spawn()
    case .awaitEnd(let processID): HostThreads.run { [self] in awaitEnd(of: processID) }
    case .kill(let processID): kill(processID)
    case .letGo: letGo()
    case .after(let span, let event): HostTimers.after(span) { [weak self] in self?.handle(event) }
    case .tell(let hosting): told(hosting)
    case .logDeath(let line): HostLog.write(.error, provider: manifest.displayName, "its process has died: \(line)")
    case .leave: whenOver(self)
    }
  }

  /// Waits until the machine is as wanted and all that follows from it is done. False where that is not so in time.
  private func wait(for span: Duration, until isWanted: (WorkerMachine) -> Bool) -> Bool {
    let (changed, end) = (DispatchSemaphore(value: 0), DispatchTime.now() + span.interval)
    func isSo() -> Bool { state.withLock { !$0.isPerforming && isWanted($0.machine) } }
    state.withLock { $0.waiters.append(changed) }
    defer { state.withLock { state in state.waiters.removeAll { $0 === changed } } }
    while !isSo() { if changed.wait(timeout: end) == .timedOut { return isSo() } }
    return true
  }

  // MARK: Waiting

  /// Waits until it serves, or has died once. A refusal by the file is for good.
  func settled() -> Refusal? {
    // A provider that is being attached takes its time only while another one leaves.
    while !wait(for: patience, until: { $0.outcomes > 0 || $0.phase == .over }), machine.phase == .attaching {}
    return machine.refusal
  }

  /// Why it does not take the place of one that serves; nil where it does.
  var failureToStart: Refusal? {
    let machine = machine
    if machine.phase == .serving { return nil }
    return Refusal(
      path: path, reason: .failedToLoad, detail: "its process does not get ready: \(machine.lastDeath ?? "it hangs")",
      remedy: "see what it does when it is loaded")
  }

  /// Asks it to end, without waiting for that.
  func release() { handle(.released) }

  /// How long it may take to end in order.
  private static let farewell: Duration = .seconds(3)

  func stop() {
    release()
    let processID = processID
    guard !wait(for: Self.farewell, until: { $0.phase == .over }), let processID else { return }
    HostLog.write(.warning, provider: manifest.displayName, "its process \(processID) does not end: it is killed")
    kill(processID)
    _ = wait(for: .seconds(1)) { $0.phase == .over }
  }

  /// Waits for the end of one that is not started again.
  func awaitEnd(until deadline: MonotonicTime) { _ = wait(for: deadline - .now) { $0.phase == .over } }

  func revive() -> Bool {
    let former = machine
    if former.phase == .over { return false }
    handle(.revived)
    if former.isResting { _ = wait(for: .seconds(5)) { $0.outcomes > former.outcomes || $0.phase == .over } }
    return true
  }

  // MARK: The process

  /// Under the lock: once it has been collected its id may be another's.
  private func kill(_ processID: Int32) {
    state.withLock { if $0.machine.processID == processID { _ = Glibc.kill(processID, SIGKILL) } }
  }

  private func letGo() {
    let leash = state.withLock { state in
      defer { state.leash = -1 }
      return state.leash
    }
    guard leash >= 0 else { return }
    // A child that some provider has made in this process may hold it, too: closing it alone would not be seen.
    shutdown(leash, Int32(SHUT_RDWR))
    close(leash)
  }

  private func awaitEnd(of processID: Int32) {
    // No deadline: a worker lives until it is ended.
    nsp_await_end(processID)
    advance { state in
      // What it has started goes with it.
      Glibc.kill(-processID, SIGKILL)
      var status: Int32 = 0
      waitpid(processID, &status, 0)
      if state.leash >= 0 { close(state.leash) }
      state.leash = -1
      return state.machine.handle(.process(processID, .ended(status)), at: .now)
    }
  }

  // MARK: Starting

  private func spawn() {
    var ends: [Int32] = [-1, -1]
    guard nsp_socket_pair(&ends) == 0 else { return handle(.noProcess) }
    defer { close(ends[0]) }
    let message = order.message
    guard send(ends[1], message, message.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) == message.count else {
      close(ends[1])
      return handle(.noProcess)
    }
    let words = ["nsphost", "worker", path]
    // Under the lock: it may connect before it is known here otherwise.
    advance { state in
      let isWanted = state.machine.phase == .starting
      let processID = isWanted ? Self.spawn(words, ends[0], output: output?.input ?? -1, staticTLS: staticTLS) : -1
      guard processID > 0 else {
        close(ends[1])
        return state.machine.handle(.noProcess, at: .now)
      }
      state.leash = ends[1]
      return state.machine.handle(.spawned(processID), at: .now)
    }
  }

  /// What its process keeps of every thread's storage for the file; 0 where what the dynamic linker keeps anyway is enough. A file that takes
  /// more than the most can't be loaded there either.
  private var staticTLS: Int {
    image.staticTLS > Self.usualStaticTLS ? min(image.staticTLS + Self.usualStaticTLS, Self.mostStaticTLS) : 0
  }

  /// What glibc keeps (glibc.rtld.optional_static_tls), and what is left of a thread's stack of 8 MiB.
  private static let usualStaticTLS = 512
  private static let mostStaticTLS = 4 << 20

  private var order: WorkerOrder {
    var order = WorkerOrder(file: path, socket: socket, manifest: manifest)
    (order.staysMapped, order.takesClasses, order.staticTLS) = (!image.isUnloadable, image.asksForClasses, staticTLS)
    return order
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
