import Glibc
import Ownership

/// Why a state folder could not be saved, restored or used, and what to do.
public struct StateFailure: Error, Sendable, Equatable {
  public var why: String
  public var remedy: String
  /// Another process has the folder for now.
  public var passes = false

  init(_ why: String, _ remedy: String, passes: Bool = false) { (self.why, self.remedy, self.passes) = (why, remedy, passes) }
  init(_ objection: Objection) { self.init(objection.detail, objection.remedy) }

  /// What the system said of a call that failed.
  static func system(_ what: String, _ remedy: String) -> StateFailure {
    StateFailure("\(what): \(String(cString: strerror(errno)))", remedy)
  }
}

/// A claim to a state folder, by a lock on `nsphost.lock` in it: hosts share a folder, a restore has it alone. Given back by `deinit`, and by the
/// kernel when the process ends.
public final class StateClaim: Sendable {
  private let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Shares a folder with other hosts. Nil where it is not there, and where this process can't write it: there is nothing to claim.
  /// - Parameter creating: Whether a folder that is missing is made, where that is possible.
  public static func share(_ directory: String, creating: Bool) throws(StateFailure) -> StateClaim? {
    if creating, access(directory, F_OK) != 0 { _ = try? OwnFolder(directory, creating: 0o755) }
    guard access(directory, F_OK) == 0 else { return nil }
    let claim: StateClaim?
    do throws(Objection) {
      let folder = try OwnFolder(directory)
      guard access(folder.path, W_OK) == 0 else { return nil }
      claim = try take(folder, LOCK_SH)
    } catch { throw StateFailure(error) }
    guard let claim else {
      throw StateFailure("a restore of \(directory) is going on", "try again when it has ended", passes: true)
    }
    return claim
  }

  /// Has a folder alone. Nil while a host uses it.
  static func alone(_ folder: OwnFolder) throws(Objection) -> StateClaim? { try take(folder, LOCK_EX) }

  private static func take(_ folder: OwnFolder, _ operation: Int32) throws(Objection) -> StateClaim? {
    while true {
      let claim = StateClaim(try folder.open(name, O_CREAT | O_RDWR))
      while flock(claim.descriptor, operation | LOCK_NB) != 0 {
        if errno != EINTR { return nil }
      }
      // A restore may have put another folder into the place of this one meanwhile.
      var (held, present) = (stat(), stat())
      if fstat(claim.descriptor, &held) == 0, lstat(folder.path(of: name), &present) == 0, held.st_ino == present.st_ino,
        held.st_dev == present.st_dev
      {
        return claim
      }
    }
  }

  static let name = "nsphost.lock"
}
