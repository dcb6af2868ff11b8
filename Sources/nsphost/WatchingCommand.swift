import Glibc
import Hosting
import Providers
import Rundown
import Sessions

/// A command that can stay and show every change.
protocol WatchingCommand: HostCommand where Request: WatchedRequest {
  var watch: Bool { get }
}

extension WatchingCommand {
  func showOrWatch(_ running: RunningHost) throws {
    if watch { try watch(running) } else { try show(running) }
  }

  /// Shows what there is, and again whenever it changes, until it is interrupted. The host says when.
  func watch(_ running: RunningHost) throws {
    let (request, screen) = (try request(), Screen(separates: !options.json))
    let interrupted = Interruption()
    let failure = Locked<(any Error)?>(nil)
    nonisolated(unsafe) let (command, host) = (self, running)
    HostThreads.run {
      do { try host.watch(request) { try screen.show(try command.output($0)) } } catch { failure.withLock { $0 = error } }
      interrupted.end()
    }
    // No deadline: it stays until somebody ends it, or the host ends.
    interrupted.wait()
    running.leave()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// The same of a host of the command's own.
  func watch(_ own: OwnHost) throws {
    let (request, screen) = (try request(), Screen(separates: !options.json))
    let interrupted = Interruption()
    let failure = Locked<(any Error)?>(nil)
    let shown = Locked<[UInt8]?>(nil)
    nonisolated(unsafe) let (command, own) = (self, own)
    let follower = ChangeFollower(Request.bells) {
      do {
        let answer = try request.answer(of: own.host, for: own.session)
        let essence = try ControlCoding.bytes(Request.essence(of: answer))
        let isNews = shown.withLock { shown in
          defer { shown = essence }
          return shown != essence
        }
        if isNews { try screen.show(try command.outputAlone(answer)) }
      } catch {
        failure.withLock { $0 = error }
        interrupted.end()
      }
    }
    interrupted.wait()
    withExtendedLifetime(follower) {}
    if let error = failure.withLock({ $0 }) { throw error }
  }
}

/// What was printed before is told from what comes next by an empty line, where people read it.
private final class Screen: Sendable {
  private let separates: Bool
  private let isUsed = Locked(false)

  init(separates: Bool) { self.separates = separates }

  func show(_ output: CommandOutput) throws {
    let follows = isUsed.withLock { isUsed in
      defer { isUsed = true }
      return isUsed
    }
    if follows, separates { print("") }
    try output.show()
    fflush(nil)
  }
}
