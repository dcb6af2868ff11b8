import CDynamicLinker
import Foundation
import Glibc
import Sessions

/// What this process knows of itself.
enum ProcessEnvironment {
  /// Nothing of the environment counts in a process that runs with raised privileges.
  static var isPrivileged: Bool { nsp_secure_execution() != 0 || getuid() != geteuid() || getgid() != getegid() }

  static var variables: [String: String] { isPrivileged ? [:] : ProcessInfo.processInfo.environment }

  /// Where a host keeps what outlives it: what systemd gave it, /var/lib/nsphost for root, ~/.local/state/nsphost for others.
  static var stateDirectory: String {
    let variables = variables
    if let given = variables["STATE_DIRECTORY"], given.hasPrefix("/") { return given }
    if geteuid() == 0 { return "/var/lib/nsphost" }
    return (variables["XDG_STATE_HOME"] ?? (variables["HOME"] ?? "/") + "/.local/state") + "/nsphost"
  }

  /// This process as a client of its own host.
  static var identity: ClientIdentity {
    ClientIdentity(processID: getpid(), userID: getuid(), groupID: getgid(), command: "nsphost")
  }

  /// Set once, before others are served: what is printed for them is not for this process's terminal.
  nonisolated(unsafe) static var isServing = false

  static var outputIsTerminal: Bool { !isServing && isatty(STDOUT_FILENO) == 1 }
}
