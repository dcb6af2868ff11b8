import Glibc

/// Which processes that had the store open still live. Each has a number and holds the lock of the byte at that place of a file, which
/// the kernel takes back when the process ends, however it ends.
final class Runs: Sendable {
  /// This one's number; no other run has had it.
  let mine = Int64.random(in: 1..<1 << 62)
  // F_OFD_GETLK and F_OFD_SETLK of fcntl.h, which Swift does not import.
  private static let getLock: Int32 = 36
  private static let setLock: Int32 = 37

  /// -1 in memory.
  private let descriptor: Int32

  /// - Parameter path: Nil where nobody else can have the store open.
  init(_ path: String?) throws(SystemError) {
    guard let path else {
      descriptor = -1
      return
    }
    descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw SystemError() }
    guard lock(Self.setLock, mine) != nil else {
      let error = SystemError()
      close(descriptor)
      throw error
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Whether the process of a run is gone. Where the kernel does not say, it is not.
  func isOver(_ number: Int64) -> Bool {
    guard number > 0, number != mine, descriptor >= 0, let found = lock(Self.getLock, number) else { return false }
    return found.l_type == F_UNLCK
  }

  private func lock(_ command: Int32, _ number: Int64) -> flock? {
    var range = flock()
    range.l_type = Int16(F_WRLCK)
    range.l_whence = Int16(SEEK_SET)
    range.l_start = off_t(number)
    range.l_len = 1
    return fcntl(descriptor, command, &range) == 0 ? range : nil
  }
}

/// What the system said of a call that failed.
struct SystemError: Error {
  let number = errno
  var text: String { String(cString: strerror(number)) }
}
