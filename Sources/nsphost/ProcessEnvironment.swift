import CDynamicLinker
import Foundation
import Glibc
import QuerySets
import Sessions

/// What this process knows of itself.
enum ProcessEnvironment {
  /// Nothing of the environment counts in a process that runs with raised privileges.
  static var isPrivileged: Bool { nsp_secure_execution() != 0 || getuid() != geteuid() || getgid() != getegid() }

  static var variables: [String: String] { isPrivileged ? [:] : ProcessInfo.processInfo.environment }

  /// Where a host keeps what outlives it: what systemd gave it, /var/lib/nsphost for root, ~/.local/state/nsphost for others.
  static var stateDirectory: String {
    let variables = variables
    if let namedStateDirectory { return namedStateDirectory }
    if geteuid() == 0 { return "/var/lib/nsphost" }
    return (variables["XDG_STATE_HOME"] ?? (variables["HOME"] ?? "/") + "/.local/state") + "/nsphost"
  }

  /// The same where somebody has named it.
  static var namedStateDirectory: String? { variables["STATE_DIRECTORY"].flatMap { $0.hasPrefix("/") ? $0 : nil } }

  /// Arguments and variables that are read here are text. What is not would be taken for the name of something else.
  static func requireUTF8() throws(CommandFailure) {
    func require(_ text: UnsafePointer<CChar>?, _ what: String, _ remedy: String) throws(CommandFailure) {
      guard let text, String(validatingCString: text) == nil else { return }
      throw CommandFailure(
        kind: .usage, what: what, why: "it is not UTF-8: \(String(naming: text))", remedy: remedy)
    }
    for index in 1..<max(1, Int(CommandLine.argc)) {
      try require(
        CommandLine.unsafeArgv[index], "argument \(index)", "write it in UTF-8; a file with such a name has to be renamed")
    }
    guard !isPrivileged else { return }
    for name in ["NSP_PLUGIN_PATH", "NSP_SOCKET", "STATE_DIRECTORY"] {
      try require(getenv(name), name, "write it in UTF-8; a folder with such a name has to be renamed")
    }
  }

  /// This process as a client of its own host.
  static var identity: ClientIdentity {
    ClientIdentity(processID: getpid(), userID: getuid(), groupID: getgid(), command: "nsphost")
  }

  static var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
}
