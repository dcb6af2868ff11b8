import Glibc
import Rundown

/// How many files this process may have open (RLIMIT_NOFILE), and how many of them are kept for root and the host's own user.
///
/// The kernel gives the lowest number that is free: one in the reserve says that all below it are taken. Nothing is counted for that.
struct DescriptorLimit: Sendable {
  let maximum: Int
  /// The first number that is not for everybody.
  let reserveStart: Int32

  /// As many as the system permits, from now on.
  init(_ limits: HostLimits) {
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = limit.rlim_max
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    maximum = Self.current
    // A connection takes two, and what is looked at while it is accepted.
    reserveStart = Int32(clamping: maximum - min(limits.reserve * Self.perConnection + 16, maximum / 4))
  }

  static var current: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
    return Int(clamping: limit.rlim_cur)
  }

  /// How many there are now.
  static var open: Int {
    guard let folder = opendir("/proc/self/fd") else { return current }
    defer { closedir(folder) }
    // Itself, "." and "..".
    var count = -3
    while readdir(folder) != nil { count += 1 }
    return count
  }

  /// Its socket, and the descriptor of its process.
  static let perConnection = 2
  /// For providers in the host, channels to those elsewhere, and the host itself.
  private static let others = 1024

  /// How many descriptors a host may need that has as many connections as its limits permit.
  static func wanted(_ limits: HostLimits) -> Int { (limits.connections + limits.reserve) * perConnection + others }

  /// Whether the descriptor is one of the last ones.
  func isReserved(_ descriptor: Int32) -> Bool { descriptor >= reserveStart }

  /// Gives a descriptor the lowest number that is free. Nil, and nothing is done, where that is one of the reserve.
  func move(_ descriptor: Int32) -> Int32? {
    guard let other = Descriptor(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)), !isReserved(other.number) else { return nil }
    close(descriptor)
    return other.take()
  }

  /// Whether the descriptor is in the second half of those.
  func isLast(_ descriptor: Int32) -> Bool { descriptor >= reserveStart + (Int32(clamping: maximum) - reserveStart) / 2 }

  /// What is wrong with the two together; nil where the descriptors are enough.
  func shortage(_ limits: HostLimits) -> String? {
    let wanted = Self.wanted(limits)
    guard maximum < wanted else { return nil }
    return "limits.connections = \(limits.connections) takes up to \(wanted) descriptors, and this process has \(maximum) "
      + "(RLIMIT_NOFILE): clients are refused when these are taken: raise LimitNOFILE of the unit, or lower limits.connections"
  }
}
