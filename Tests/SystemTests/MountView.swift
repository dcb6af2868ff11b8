import Foundation

/// A view of the file system with other files in the place of the machine's own. Who runs in it sees them, and nobody else does.
struct MountView: Sendable {
  /// Files and folders, each with the place where it is seen.
  var places: [(file: String, place: String)]

  /// Before the words of a command.
  fileprivate var words: [String] {
    let user = geteuid() == 0 ? [] : ["--user", "--map-root-user"]
    let binds = places.map { "mount --bind '\($0.file)' '\($0.place)' && " }.joined()
    return ["unshare"] + user + ["--mount", "--propagation", "private", "sh", "-c", binds + "exec \"$@\"", "sh"]
  }
}

extension Program {
  /// The same, in that view. It is the process that is started.
  func inside(_ view: MountView) -> Program {
    Program(path: "/usr/bin/env", environment: environment, words: view.words + [path] + words)
  }
}
