import Dispatch
import Glibc

/// A folder for the socket of a command's own host, which nobody else has to find. It is gone when the command ends.
final class SocketFolder {
  let path: String
  private var sources: [any DispatchSourceSignal] = []

  /// - Parameter endsWithSignals: Signals that end a program take the folder away first.
  init(endsWithSignals: Bool) throws(CommandFailure) {
    let wanted = ProcessEnvironment.variables["TMPDIR"].flatMap { folder in
      // A socket's path has room for 107 bytes.
      folder.hasPrefix("/") && folder.utf8.count < 80 ? Self.make(in: folder) : nil
    }
    guard let path = wanted ?? Self.make(in: "/tmp") else {
      throw CommandFailure(
        what: CommandWords.ofProcess.name, why: "no folder for a socket can be made in /tmp: \(String(cString: strerror(errno)))",
        remedy: "name another folder in TMPDIR")
    }
    self.path = path
    for number in endsWithSignals ? [SIGINT, SIGTERM, SIGHUP] : [] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        Self.remove(path)
        signal(number, SIG_DFL)
        kill(getpid(), number)
      }
      source.resume()
      sources.append(source)
    }
  }

  private static func make(in folder: String) -> String? {
    var template = Array((folder + "/nsphost-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { return nil }
    return template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  static func socket(in folder: String) -> String { folder + "/socket" }

  func remove() { Self.remove(path) }

  private static func remove(_ path: String) {
    unlink(socket(in: path))
    // The host's.
    unlink(socket(in: path) + ".lock")
    rmdir(path)
  }
}
