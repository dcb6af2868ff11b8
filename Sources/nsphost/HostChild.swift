import CLinux
import Dispatch
import Glibc
import HostDaemon
import Providers
import Rundown

/// A process that is the host of this command, because files that it needs live in their host: the same command once more.
///
/// It says how far it is. Whatever its providers do to it, the command goes on, and knows what happened.
struct HostChild {
  /// How long a file may take to be loaded, where its manifest does not say it.
  static let timeToLoad: Duration = .seconds(10)
  /// How long sessions and modules may take to end in order: each has a deadline of its own.
  private static let timeToStop: Duration = .seconds(60)
  /// Everything is done: what still runs is a provider's.
  private static let timeToExit: Duration = .seconds(2)

  enum Outcome {
    case ended(Int32)
    case died(Death)
  }

  struct Death {
    /// In words.
    var how: String
    /// The file that was being loaded.
    var loading: String?
    /// The command's output was complete.
    var hasShown: Bool

    func failure(_ words: CommandWords) -> CommandFailure {
      if let loading {
        return CommandFailure(
          what: loading, why: "its process has died: \(how) while it was being loaded",
          remedy: "see what it does when it is loaded, or take it out of its folder")
      }
      return CommandFailure(
        what: words.name, why: "the process of its host has died: \(how)\(hasShown ? " when everything was done" : "")",
        remedy: "see the lines before this one: the process names the provider and the routine where it can",
        isForPeopleOnly: hasShown)
    }
  }

  private let words: CommandWords
  private let folder: SocketFolder
  private let passedOver: [String]

  /// - Parameters:
  ///   - folder: For its socket.
  ///   - passedOver: Files that are not loaded.
  init(_ words: CommandWords, in folder: SocketFolder, passingOver passedOver: [String]) {
    (self.words, self.folder, self.passedOver) = (words, folder, passedOver)
  }

  /// Starts it, and waits until it has ended, however it ends.
  func run() throws(CommandFailure) -> Outcome {
    var ends: [Int32] = [-1, -1]
    guard nsp_socket_pair(&ends) == 0 else { throw failure(errno) }
    defer { close(ends[0]) }
    let signals = Passing()
    var end: Int32?
    defer { signals.end(end, folder) }
    let (status, process) = start(saying: ends[1])
    close(ends[1])
    guard status == 0 else { throw failure(status) }
    signals.pass(to: process)
    let (outcome, waited) = follow(process, ends[0], signals)
    end = waited
    return outcome
  }

  private func failure(_ number: Int32) -> CommandFailure {
    CommandFailure(
      what: "host", why: "no process can be started: \(String(cString: strerror(number)))",
      remedy: "raise the limits of processes and descriptors")
  }

  private func start(saying descriptor: Int32) -> (status: Int32, process: pid_t) {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    var (handled, process) = (sigset_t(), pid_t(-1))
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    // The same number: it is not closed by exec.
    posix_spawn_file_actions_adddup2(&actions, descriptor, descriptor)
    sigemptyset(&handled)
    for number in Passing.numbers { sigaddset(&handled, number) }
    posix_spawnattr_setsigdefault(&attributes, &handled)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
    // Behind the command's name, where nothing can stand that ends the options.
    let own = ["--host-for=\(descriptor)", "--host-folder=\(folder.path)"] + passedOver.map { "--without=" + $0 }
    let arguments = ["nsphost"] + words.command + own + words.arranged.dropFirst(words.command.count)
    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    let resolved = realpath("/proc/self/exe", nil)
    defer { free(resolved) }
    let program = resolved.map { String(cString: $0) } ?? "/proc/self/exe"
    let status = posix_spawn(&process, program, &actions, &attributes, &pointers, environ)
    return (status, process)
  }

  /// How far it is.
  private enum Phase: Equatable {
    case loading(String, within: Duration)
    /// Workers and routines have deadlines, and scripts take what they take.
    case working
    case stopping
    case over(Int32)

    var limit: Duration? {
      switch self {
      case .loading(_, let limit): limit
      case .working: nil
      case .stopping: HostChild.timeToStop
      case .over: HostChild.timeToExit
      }
    }
  }

  /// - Returns: What became of it, and the status with which it was collected.
  private func follow(_ process: pid_t, _ channel: Int32, _ signals: Passing) -> (Outcome, Int32) {
    var phase = Phase.working
    var (bytes, status, isHung) = ([UInt8](), Int32(0), false)
    let end = nsp_pidfd_open(process)
    defer { close(end) }
    var sources = [pollfd(fd: end, events: Int16(POLLIN), revents: 0), pollfd(fd: channel, events: Int16(POLLIN), revents: 0)]
    var deadline = phase.limit.map { ContinuousClock.now + $0 }
    while true {
      let left = deadline.map { max(.zero, $0 - .now) / .milliseconds(1) }
      let ready = poll(&sources, 2, left.map { Int32(min($0.rounded(.up), 1e6)) } ?? -1)
      if ready < 0, errno != EINTR { break }
      if ready == 0 {
        isHung = true
        kill(process, SIGKILL)
        break
      }
      if ready > 0, sources[1].revents != 0 {
        // What a process has said before it ended counts.
        let before = phase
        if !Self.read(channel, &bytes) { sources[1].fd = -1 }
        while let sign = HostSign.Sign(takingFrom: &bytes) { phase = Self.phase(after: sign) }
        if phase != before { deadline = phase.limit.map { ContinuousClock.now + $0 } }
        continue
      }
      if ready > 0, sources[0].revents != 0 { break }
    }
    // A signal is passed to a process that is there.
    signals.pass(to: nil)
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    // What ends it then, it has done its work; a crash in a destructor is one all the same.
    if case .over(let code) = phase, isHung || status & 0x7F == 0 { return (.ended(code), status) }
    var death = Death(how: isHung ? "killed, because it did not return" : ProcessEnd.text(status), loading: nil, hasShown: false)
    switch phase {
    case .loading(let path, _): death.loading = path
    case .working: break
    case .stopping, .over: death.hasShown = true
    }
    return (.died(death), status)
  }

  private static func phase(after sign: HostSign.Sign) -> Phase {
    switch sign {
    case .loading(let path, let limit): .loading(path, within: limit)
    case .loaded: .working
    case .shown: .stopping
    case .ended(let status): .over(status)
    }
  }

  /// False at the end of what comes.
  private static func read(_ channel: Int32, _ bytes: inout [UInt8]) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
      let count = Glibc.read(channel, buffer.baseAddress, buffer.count)
      if count > 0 { bytes += buffer.prefix(count) }
      return count > 0 || count < 0 && errno == EINTR
    }
  }
}

/// How a process that is the host of a command says how far it is.
struct HostSign: Sendable {
  enum Sign {
    /// A file is about to be loaded into the process. A worker's file is not: its host sees to it.
    case loading(String, within: Duration)
    /// It has been loaded, or can't be.
    case loaded
    /// The output is complete.
    case shown
    /// Everything has ended in order, with the command's status.
    case ended(Int32)
  }

  private let descriptor: Int32

  /// - Parameter descriptor: That it was given. From now on no program that it starts has it.
  init(_ descriptor: Int32) {
    self.descriptor = descriptor
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  func send(_ sign: Sign) {
    let bytes = sign.bytes
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      // Its parent has gone: so does this process.
      guard count > 0 else { return }
      sent += count
    }
  }
}

extension HostSign.Sign {
  /// A letter, what belongs to it, and NUL, which no path has.
  fileprivate var bytes: [UInt8] {
    let text =
      switch self {
      case .loading(let path, let limit): "L\(Int64(limit / .milliseconds(1))) \(path)"
      case .loaded: "D"
      case .shown: "S"
      case .ended(let status): "E\(status)"
      }
    return Array(text.utf8) + [0]
  }

  /// The first one of what has come; nil where none is complete.
  init?(takingFrom bytes: inout [UInt8]) {
    while let end = bytes.firstIndex(of: 0) {
      let text = String(decoding: bytes[..<end], as: UTF8.self)
      bytes.removeSubrange(...end)
      let rest = text.dropFirst()
      switch text.first {
      case "L":
        guard let cut = rest.firstIndex(of: " "), let limit = Int64(rest[..<cut]) else { continue }
        self = .loading(String(rest[rest.index(after: cut)...]), within: .milliseconds(limit))
      case "D": self = .loaded
      case "S": self = .shown
      case "E": self = .ended(Int32(rest) ?? 1)
      default: continue
      }
      return
    }
    return nil
  }
}

/// Signals that end a command are for its host, which ends in order; the command ends as its host does.
private final class Passing {
  static let numbers = [SIGINT, SIGTERM, SIGHUP]

  private let process = Locked<pid_t?>(nil)
  private var sources: [any DispatchSourceSignal] = []

  init() {
    for number in Self.numbers {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [weak self] in
        if let process = self?.process.withLock({ $0 }) { kill(process, number) }
      }
      source.resume()
      sources.append(source)
    }
  }

  func pass(to process: pid_t?) { self.process.withLock { $0 = process } }

  /// To be called once the process has been collected.
  /// - Parameters:
  ///   - status: As `waitpid` gives it.
  ///   - folder: It goes with this process.
  func end(_ status: Int32?, _ folder: SocketFolder) {
    for source in sources { source.cancel() }
    for number in Self.numbers { signal(number, SIG_DFL) }
    guard let number = status.map({ $0 & 0x7F }), Self.numbers.contains(number) else { return }
    folder.remove()
    raise(number)
  }
}
