import CLastWords
import CLinux
import Dispatch
import Glibc
import QuerySets
import Rundown
import Sessions

/// Runs this very command in a process of its own, and again whenever that ends and nobody has asked for it: `serve --supervise`.
///
/// SIGTERM and SIGINT end both, SIGHUP is passed on. A process that ends by its own decision is not started again: one that was asked to, or
/// that refuses its command line or its configuration. It says so in a record that both share; a provider that ends it by `_exit` does not.
final class Supervision: Sendable {
  private let arguments: [String]
  /// SIGTERM or SIGINT has come.
  private let wake = DispatchSemaphore(value: 0)
  private let state = Locked<State>(State())

  private struct State {
    /// 0: none.
    var process: Int32 = 0
    var isEnding = false
  }

  /// How long it waits before it starts one again: twice as long each time, until one has lived for a while.
  private static let shortestPause: Duration = .milliseconds(100)
  private static let longestPause: Duration = .seconds(10)
  private static let longLife: Duration = .seconds(60)

  /// - Parameter arguments: Of the process that is watched over.
  init(_ arguments: [String]) { self.arguments = arguments }

  /// Returns with the exit status of the process that ended by its own decision.
  func run() throws -> Int32 {
    let sources = [SIGTERM, SIGINT, SIGHUP].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [self] in pass(number) }
      source.resume()
      return source
    }
    defer { for source in sources { source.cancel() } }
    let record = nsp_record_create()
    guard record >= 0 else { throw failure("no memory can be shared with it") }
    defer { close(record) }
    var pause = Self.shortestPause
    while true {
      let start = ContinuousClock.now
      guard nsp_record_clear(record) == 0, let process = spawn(record) else { throw failure("it can't be started") }
      // No deadline: a host lives until it is ended.
      nsp_await_end(process)
      var status: Int32 = 0
      let isEnding = state.withLock { state in
        // Under the lock: its id may be another's from now on.
        waitpid(process, &status, 0)
        state.process = 0
        return state.isEnding
      }
      if isEnding || nsp_record_is_ended(record) != 0 { return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F }
      if ContinuousClock.now - start > Self.longLife { pause = Self.shortestPause }
      let milliseconds = pause.components.seconds * 1000 + pause.components.attoseconds / 1_000_000_000_000_000
      Output.aside("the host has died (\(cause(status, record))): it is started again in \(milliseconds) ms")
      if wake.wait(timeout: .now() + pause.dispatchInterval) == .success { return 0 }
      pause = min(pause * 2, Self.longestPause)
    }
  }

  /// How it has ended, and what it ran then.
  private func cause(_ status: Int32, _ record: Int32) -> String {
    let signal = status & 0x7F
    let end =
      signal == 0 ? "exit with status \(status >> 8 & 0xFF)" : strsignal(signal).map { String(cString: $0) } ?? "signal \(signal)"
    let running = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { text in
      nsp_record_running(record, text.baseAddress, text.count)
      return String(cString: text.baseAddress!).printable
    }
    return running.isEmpty ? end : "\(end), in \(running)"
  }

  /// Nil with errno. After SIGTERM none is started.
  private func spawn(_ record: Int32) -> Int32? {
    let words = [CommandLine.arguments[0]] + arguments + ["--supervised", String(record)]
    var list: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for word in list { free(word) } }
    // By its path, where ps shows what it is.
    let program = realpath("/proc/self/exe", nil)
    defer { free(program) }
    let path = program.map { String(cString: $0) }
    return state.withLock { state in
      let process = nsp_spawn(path.flatMap { access($0, X_OK) == 0 ? $0 : nil } ?? "/proc/self/exe", &list)
      state.process = max(0, process)
      return process > 0 ? process : nil
    }
  }

  private func failure(_ what: String) -> CommandFailure {
    CommandFailure(
      what: "serve --supervise", why: "\(what): \(String(cString: strerror(errno)))",
      remedy: "raise the limits of processes, memory and descriptors")
  }

  private func pass(_ number: Int32) {
    state.withLock { state in
      if number != SIGHUP { state.isEnding = true }
      if state.process > 0 { kill(state.process, number) }
    }
    if number != SIGHUP { wake.signal() }
  }
}
