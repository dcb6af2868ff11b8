import Glibc
import QuerySets

/// A folder in which this process keeps files: nobody but root and its own user can put a file or a link there, or lead the path elsewhere.
package struct OwnFolder: Sendable {
  /// The real name: no part of it is a link, and none can become one.
  package let path: String
  /// The folder is one like /tmp: others have files there, and perhaps a file of a name that is wanted.
  private let isShared: Bool

  /// Judges the folder and all that leads to it.
  /// - Parameters:
  ///   - mode: Of the parts that are missing, which are made; nil: a part that is missing is an objection.
  ///   - mayBeShared: A folder like /tmp will do, in which nobody can replace the files of others.
  package init(_ path: String, creating mode: mode_t? = nil, mayBeShared: Bool = false) throws(Objection) {
    let trust = Trust()
    let found = try trust.folder(Array(path.utf8), creating: mode, mayBeShared: mayBeShared)
    guard let name = String(validating: found, as: UTF8.self) else {
      throw Objection("\(String(naming: found)) is not UTF-8", "rename that folder")
    }
    var status = stat()
    guard lstat(name, &status) == 0 else { throw Self.failure(name) }
    self.path = name
    isShared = trust.objection(to: status, name) != nil
  }

  /// Where a file of the folder is.
  package func path(of name: String) -> String { path == "/" ? "/\(name)" : "\(path)/\(name)" }

  /// Opens a file of the folder, never through a link, and never one that is somebody else's. The caller closes it.
  /// - Parameters:
  ///   - flags: As those of open(2); the file is closed on exec.
  ///   - mode: Of a file that is made.
  package func open(_ name: String, _ flags: Int32, mode: mode_t = 0o600) throws(Objection) -> Int32 {
    let path = path(of: name)
    var status = stat()
    // Non-blocking: a FIFO of this name holds nobody up.
    let descriptor = Glibc.open(path, flags & ~O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode)
    guard descriptor >= 0 else {
      let failure = Self.failure(path)
      // In a folder that others can write, the kernel may have another word for it.
      if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK { throw Objection("\(path) is a link", "remove the link") }
      throw failure
    }
    let objection =
      fstat(descriptor, &status) != 0 ? Self.failure(path) : objection(to: status, path)
    if objection == nil, flags & O_TRUNC == 0 || ftruncate(descriptor, 0) == 0 { return descriptor }
    defer { close(descriptor) }
    throw objection ?? Self.failure(path)
  }

  /// Makes a file, where it is missing, that nobody but its owner can open; one that is there must be this user's or root's.
  ///
  /// It is not opened where it is there: to close it would give up the locks (POSIX) that another part of this process has on it.
  /// - Returns: Its path.
  package func own(_ name: String) throws(Objection) -> String {
    let path = path(of: name)
    let new = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    if new >= 0 { close(new) }
    guard new >= 0 || errno == EEXIST else { throw Self.failure(path) }
    var status = stat()
    guard lstat(path, &status) == 0 else { throw Self.failure(path) }
    // Others may have opened it already; what is written from now on is not for them.
    if status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(), status.st_mode & 0o077 != 0 {
      chmod(path, 0o600)
      status.st_mode &= ~0o077
    }
    if let objection = objection(to: status, path) { throw objection }
    return path
  }

  private func objection(to status: stat, _ path: String) -> Objection? {
    guard status.st_mode & S_IFMT == S_IFREG else { return Objection("\(path) is not a regular file", "move it away") }
    // Where others have files, one of ours may have got a second name there.
    guard !isShared || status.st_nlink == 1 else { return Objection("\(path) has a second name (hard link)", "remove it") }
    return Trust().objection(to: status, path)
  }

  private static func failure(_ path: String) -> Objection {
    let remedy =
      switch errno {
      case EACCES, EPERM: "run it as the owner of the folder"
      case ENOSPC, EDQUOT: "make room there"
      case EROFS: "choose a folder that can be written"
      default: "see that it is in a folder that can be written"
      }
    return Objection("\(path): \(String(cString: strerror(errno)))", remedy)
  }
}
