import CLinux
import Glibc
import Rundown
import Sessions

/// Whose socket it is, as the kernel keeps it.
struct PeerCredentials: Sendable {
  let processID: pid_t
  let userID: uid_t
  let groupID: gid_t
  /// When it was looked at, in clock ticks since the system started: the process that connected began before.
  let seenAt: UInt64

  /// `struct ucred`.
  fileprivate struct Kernel {
    var processID: pid_t = 0
    var userID: uid_t = 0
    var groupID: gid_t = 0
  }

  /// False for a process outside of the pid namespace that this one is in: it has no id here.
  var isVisible: Bool { processID > 0 }

  /// Without what is known of the process by its id only.
  var identity: ClientIdentity { ClientIdentity(processID: processID, userID: userID, groupID: groupID, command: "") }

  init?(of socket: Int32) {
    var kernel = Kernel()
    guard PeerProcess.option(socket, SO_PEERCRED, &kernel) else { return nil }
    (processID, userID, groupID) = (kernel.processID, kernel.userID, kernel.groupID)
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    // Ticks have 10 ms for all programs, whatever the kernel counts in.
    seenAt = UInt64(time.tv_sec) * 100 + UInt64(time.tv_nsec) / 10_000_000
  }
}

/// The process at the other end of a socket.
struct PeerProcess {
  let identity: ClientIdentity
  /// A pidfd: readable once the process is gone. The receiver closes it. -1 where the kernel gives none.
  var descriptor: Int32

  enum Failure: Error {
    /// Its process id may be somebody else's by now.
    case gone
    /// This process may open no more files.
    case noDescriptors
  }

  init(of socket: Int32, _ credentials: PeerCredentials) throws(Failure) {
    let id = credentials.processID
    var given: Int32 = -1
    // SO_PEERPIDFD, which Swift's view of glibc lacks; from Linux 6.5 on.
    if !Self.option(socket, 77, &given) {
      guard errno == ENOPROTOOPT else { throw Self.failure }
      given = -1
    }
    // From the socket where the kernel has it, else by id.
    let descriptor = given >= 0 ? given : nsp_pidfd_open(id)
    if descriptor < 0, Self.failure == .noDescriptors { throw .noDescriptors }
    guard let (command, start) = Self.status(of: id) else {
      if descriptor >= 0 { close(descriptor) }
      throw .noDescriptors
    }
    // One that has its id, and began later, is another.
    guard start != 0, start <= credentials.seenAt, descriptor < 0 || !Self.isGone(descriptor) else {
      if descriptor >= 0 { close(descriptor) }
      throw .gone
    }
    self.descriptor = descriptor
    var identity = credentials.identity
    (identity.command, identity.processStart) = (command, start)
    self.identity = identity
  }

  /// Of the call of the system that has just failed.
  private static var failure: Failure { errno == EMFILE || errno == ENFILE ? .noDescriptors : .gone }

  static func option<Value: BitwiseCopyable>(_ socket: Int32, _ name: Int32, _ value: inout Value) -> Bool {
    var size = socklen_t(MemoryLayout<Value>.size)
    return getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 && size == socklen_t(MemoryLayout<Value>.size)
  }

  /// Whether /proc shows the processes of the pid namespace that this one is in. Processes are known by what it says of their ids.
  static var canBeLookedUp: Bool {
    let name = [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
      count = buffer.withMemoryRebound(to: CChar.self) { max(0, readlink("/proc/self", $0.baseAddress!, $0.count)) }
    }
    return String(decoding: name, as: UTF8.self) == String(getpid())
  }

  static func isGone(_ descriptor: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) > 0
  }

  /// What it is called, and when it began, in clock ticks since the system did: with its id, a name that is never used again. 0
  /// when it is gone. Nil where no file can be opened.
  private static func status(of id: pid_t) -> (command: String, start: UInt64)? {
    guard let text = contents("/proc/\(id)/stat") else { return nil }
    // The second field, in parentheses, may contain anything; the start is the 22nd.
    guard let open = text.firstIndex(of: UInt8(ascii: "(")), let close = text.lastIndex(of: UInt8(ascii: ")")), open < close
    else { return ("", 0) }
    let fields = text[text.index(after: close)...].split(separator: UInt8(ascii: " "))
    let start = fields.count > 19 ? UInt64(String(decoding: fields[19], as: UTF8.self)) ?? 0 : 0
    return (String(decoding: text[text.index(after: open)..<close], as: UTF8.self), start)
  }

  private static func contents(_ path: String) -> [UInt8]? {
    guard let file = Descriptor(open(path, O_RDONLY | O_CLOEXEC)) else { return failure == .noDescriptors ? nil : [] }
    return [UInt8](unsafeUninitializedCapacity: 1024) { buffer, count in
      count = max(0, read(file.number, buffer.baseAddress, 1024))
    }
  }
}
