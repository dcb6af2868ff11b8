import CDynamicLinker
import Glibc
import Sessions

/// The process at the other end of a socket, as the kernel knows it.
struct PeerProcess {
  let identity: ClientIdentity
  /// A pidfd: readable once the process is gone. The receiver closes it. -1 where the kernel gives none.
  let descriptor: Int32

  /// Nil when the peer is gone already: its process id may be somebody else's by now.
  init?(credentials: ucred, descriptor given: Int32) {
    let id = credentials.pid
    // From the socket where the kernel has it, else by id: then the process must still be the one that connected.
    let descriptor = given >= 0 ? given : nsp_pidfd_open(id)
    let start = Self.start(of: id)
    guard start != 0, descriptor < 0 || !Self.isGone(descriptor) else {
      if descriptor >= 0 { close(descriptor) }
      return nil
    }
    self.descriptor = descriptor
    identity = ClientIdentity(
      processID: id, userID: credentials.uid, groupID: credentials.gid, command: Self.command(of: id), processStart: start)
  }

  static func isGone(_ descriptor: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) > 0
  }

  /// When the process began, in clock ticks since the system did: with its id, a name that is never used again. 0 when it is gone.
  private static func start(of id: pid_t) -> UInt64 {
    // Field 22, counted behind the command, which may contain anything.
    let text = contents("/proc/\(id)/stat")
    guard let close = text.lastIndex(of: UInt8(ascii: ")")) else { return 0 }
    let fields = text[text.index(after: close)...].split(separator: UInt8(ascii: " "))
    return fields.count > 19 ? UInt64(String(decoding: fields[19], as: UTF8.self)) ?? 0 : 0
  }

  private static func command(of id: pid_t) -> String {
    String(decoding: contents("/proc/\(id)/comm").prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  private static func contents(_ path: String) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return [] }
    defer { close(file) }
    return [UInt8](unsafeUninitializedCapacity: 1024) { buffer, count in count = max(0, read(file, buffer.baseAddress, 1024)) }
  }
}
