import Foundation
import Glibc
import Synchronization

/// Runs this very command in a process of its own, and again when that dies: `serve --supervise`.
///
/// SIGTERM and SIGINT end both, SIGHUP is passed on. A process that ends in order, or that refuses its command line, is not started again.
final class Supervision {
  private let arguments: [String]
  private let arrived = DispatchSemaphore(value: 0)
  private let state = Mutex<State>(State())

  private struct State {
    var process: Process?
    var isEnding = false
  }

  /// How long it waits before it starts one again: twice as long each time, until one has lived for a while.
  private static let shortestPause = 0.1
  private static let longestPause = 10.0
  private static let longLife: Duration = .seconds(60)

  /// - Parameter arguments: Of the process that is watched over.
  init(_ arguments: [String]) { self.arguments = arguments }

  /// Returns with the exit status of the process that ended in order.
  func run() throws -> Int32 {
    let sources = [SIGTERM, SIGINT, SIGHUP].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [self] in pass(number) }
      source.resume()
      return source
    }
    defer { for source in sources { source.cancel() } }
    var pause = Self.shortestPause
    while true {
      let start = ContinuousClock.now
      let process = Process()
      process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      process.arguments = arguments
      process.terminationHandler = { [arrived] _ in arrived.signal() }
      try process.run()
      state.withLock { $0.process = process }
      // No deadline: a host lives until it is ended.
      arrived.wait()
      let isEnding = state.withLock { state in
        state.process = nil
        return state.isEnding
      }
      let status = process.terminationStatus
      guard process.terminationReason == .uncaughtSignal, !isEnding else { return status }
      if ContinuousClock.now - start > Self.longLife { pause = Self.shortestPause }
      let name = strsignal(status).map { String(cString: $0) } ?? "signal \(status)"
      Output.aside("the host has died (\(name)): it is started again in \(Int(pause * 1000)) ms")
      Thread.sleep(forTimeInterval: pause)
      pause = min(pause * 2, Self.longestPause)
      if state.withLock({ $0.isEnding }) { return 0 }
    }
  }

  private func pass(_ number: Int32) {
    let process = state.withLock { state in
      if number != SIGHUP { state.isEnding = true }
      return state.process
    }
    if let process { kill(process.processIdentifier, number) }
  }
}
