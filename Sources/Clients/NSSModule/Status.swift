import CNSSModule

/// What a function of the module returns: a status, with `errno` and `h_errno` as glibc's manual pairs them (NSS Modules Interface).
struct Status {
  let status: nss_status
  let errno: Int32
  let hostErrno: Int32

  static let success = Status(status: NSS_STATUS_SUCCESS, errno: 0, hostErrno: NETDB_SUCCESS)
  static let bufferTooSmall = Status(status: NSS_STATUS_TRYAGAIN, errno: ERANGE, hostErrno: NETDB_INTERNAL)
  static let late = Status(status: NSS_STATUS_TRYAGAIN, errno: EAGAIN, hostErrno: TRY_AGAIN)
  static let notFound = Status(status: NSS_STATUS_NOTFOUND, errno: ENOENT, hostErrno: HOST_NOT_FOUND)
  static let familyNotSupported = Status(status: NSS_STATUS_UNAVAIL, errno: EAFNOSUPPORT, hostErrno: NO_DATA)
  /// The host has said something that can't be read.
  static let nonsense = Status(status: NSS_STATUS_UNAVAIL, errno: EPROTO, hostErrno: NO_RECOVERY)

  private init(status: nss_status, errno: Int32, hostErrno: Int32) {
    (self.status, self.errno, self.hostErrno) = (status, errno, hostErrno)
  }

  /// - Parameter packed: What became of an answer.
  init(_ outcome: Outcome, packed: Status) {
    switch outcome {
    case .found: self = packed
    case .late: self = .late
    case .unavailable(let errno): self.init(status: NSS_STATUS_UNAVAIL, errno: errno, hostErrno: NO_RECOVERY)
    case .code(let code):
      switch Code.meaning(code) {
      case .notFound: self = .notFound
      case .noData: self.init(status: NSS_STATUS_NOTFOUND, errno: ENOENT, hostErrno: NO_DATA)
      case .temporary: self = .late
      case .unavailable: self.init(status: NSS_STATUS_UNAVAIL, errno: ENOENT, hostErrno: NO_RECOVERY)
      }
    }
  }

  func give(_ errnop: UnsafeMutablePointer<Int32>?, _ hostErrnop: UnsafeMutablePointer<Int32>? = nil) -> nss_status {
    if status != NSS_STATUS_SUCCESS { errnop?.pointee = errno }
    hostErrnop?.pointee = hostErrno
    return status
  }
}
