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
    let (request, screen, interrupted) = (try request(), Screen(separates: !options.json), Interruption())
    nonisolated(unsafe) let (command, host) = (self, running)
    HostThreads.run {
      do { try host.watch(request) { try screen.show(try command.output($0)) } } catch { interrupted.end(error) }
    }
    defer { running.leave() }
    try interrupted.wait()
  }

  /// The same of a host of the command's own.
  func watch(_ own: OwnHost) throws {
    let (request, screen, interrupted) = (try request(), Screen(separates: !options.json), Interruption())
    nonisolated(unsafe) let (command, own) = (self, own)
    let follower = ChangeFollower(Request.bells) {
      do {
        let answer = try request.answer(of: own.host, for: own.session)
        return ChangeFollower.Look(essence: try ControlCoding.bytes(Request.essence(of: answer))) {
          do { try screen.show(try command.outputAlone(answer)) } catch { interrupted.end(error) }
        }
      } catch {
        interrupted.end(error)
        return nil
      }
    }
    defer { withExtendedLifetime(follower) {} }
    try interrupted.wait()
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
