/// A Winsock error code with its name (nsp.md §12). Codes outside the table are passed through with their number as name.
public struct WinsockError: Error, RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: Int32

  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// The name in the C headers, or the number.
  public var symbolicName: String { Self.table[rawValue]?.name ?? String(rawValue) }

  /// What it says to people.
  public var meaning: String { Self.table[rawValue]?.meaning ?? "the provider answered code \(rawValue)" }

  public var description: String { "\(symbolicName) (\(rawValue))" }

  /// The codes of the first Winsock 2 release turned into those that are produced today (nsp.md §12).
  public var normalised: WinsockError {
    switch self {
    case .noMoreOld: .noMore
    case .cancelledOld: .cancelled
    default: self
    }
  }

  public static let success = WinsockError(rawValue: 0)
  public static let invalidHandle = WinsockError(rawValue: 6)
  public static let notEnoughMemory = WinsockError(rawValue: 8)
  public static let invalidParameter = WinsockError(rawValue: 87)
  public static let operationAborted = WinsockError(rawValue: 995)
  public static let ioIncomplete = WinsockError(rawValue: 996)
  public static let ioPending = WinsockError(rawValue: 997)
  public static let interrupted = WinsockError(rawValue: 10004)
  public static let badDescriptor = WinsockError(rawValue: 10009)
  public static let accessDenied = WinsockError(rawValue: 10013)
  public static let fault = WinsockError(rawValue: 10014)
  public static let invalidArgument = WinsockError(rawValue: 10022)
  public static let tooManyOpen = WinsockError(rawValue: 10024)
  public static let wouldBlock = WinsockError(rawValue: 10035)
  public static let inProgress = WinsockError(rawValue: 10036)
  public static let alreadyInProgress = WinsockError(rawValue: 10037)
  public static let notSocket = WinsockError(rawValue: 10038)
  public static let messageTooLong = WinsockError(rawValue: 10040)
  public static let socketTypeNotSupported = WinsockError(rawValue: 10044)
  public static let operationNotSupported = WinsockError(rawValue: 10045)
  public static let addressFamilyNotSupported = WinsockError(rawValue: 10047)
  public static let networkDown = WinsockError(rawValue: 10050)
  public static let noBuffers = WinsockError(rawValue: 10055)
  public static let tooManyReferences = WinsockError(rawValue: 10059)
  public static let timedOut = WinsockError(rawValue: 10060)
  public static let connectionRefused = WinsockError(rawValue: 10061)
  public static let tooManyProcesses = WinsockError(rawValue: 10067)
  public static let systemNotReady = WinsockError(rawValue: 10091)
  public static let versionNotSupported = WinsockError(rawValue: 10092)
  public static let notInitialised = WinsockError(rawValue: 10093)
  public static let noMoreOld = WinsockError(rawValue: 10102)
  public static let cancelledOld = WinsockError(rawValue: 10103)
  public static let invalidProcedureTable = WinsockError(rawValue: 10104)
  public static let invalidProvider = WinsockError(rawValue: 10105)
  public static let providerFailedInit = WinsockError(rawValue: 10106)
  public static let systemCallFailure = WinsockError(rawValue: 10107)
  public static let serviceNotFound = WinsockError(rawValue: 10108)
  public static let typeNotFound = WinsockError(rawValue: 10109)
  public static let noMore = WinsockError(rawValue: 10110)
  public static let cancelled = WinsockError(rawValue: 10111)
  public static let refused = WinsockError(rawValue: 10112)
  public static let hostNotFound = WinsockError(rawValue: 11001)
  public static let tryAgain = WinsockError(rawValue: 11002)
  public static let noRecovery = WinsockError(rawValue: 11003)
  public static let noData = WinsockError(rawValue: 11004)

  private static let table: [Int32: (name: String, meaning: String)] = [
    0: ("NO_ERROR", "success"),
    6: ("WSA_INVALID_HANDLE", "the handle is not valid"),
    8: ("WSA_NOT_ENOUGH_MEMORY", "out of memory"),
    87: ("WSA_INVALID_PARAMETER", "a parameter is invalid"),
    995: ("WSA_OPERATION_ABORTED", "the operation was aborted"),
    996: ("WSA_IO_INCOMPLETE", "the operation has not finished"),
    997: ("WSA_IO_PENDING", "the operation will complete later"),
    10004: ("WSAEINTR", "the call was interrupted"),
    10009: ("WSAEBADF", "the descriptor is bad"),
    10013: ("WSAEACCES", "permission denied"),
    10014: ("WSAEFAULT", "a pointer is bad or a buffer is too small"),
    10022: ("WSAEINVAL", "an argument is invalid or missing"),
    10024: ("WSAEMFILE", "too many descriptors are open"),
    10035: ("WSAEWOULDBLOCK", "nothing has changed yet"),
    10036: ("WSAEINPROGRESS", "the operation is in progress"),
    10037: ("WSAEALREADY", "it is done or in progress already"),
    10038: ("WSAENOTSOCK", "it is not a socket"),
    10040: ("WSAEMSGSIZE", "the message is too long"),
    10044: ("WSAESOCKTNOSUPPORT", "the socket type is not supported"),
    10045: ("WSAEOPNOTSUPP", "the provider does not have this routine"),
    10047: ("WSAEAFNOSUPPORT", "the address family is not supported"),
    10050: ("WSAENETDOWN", "the host is not there"),
    10055: ("WSAENOBUFS", "the record is too large"),
    10059: ("WSAETOOMANYREFS", "the class is still referenced"),
    10060: ("WSAETIMEDOUT", "it timed out"),
    10061: ("WSAECONNREFUSED", "the connection was refused"),
    10067: ("WSAEPROCLIM", "too many processes"),
    10091: ("WSASYSNOTREADY", "the system is not ready"),
    10092: ("WSAVERNOTSUPPORTED", "this version is not offered"),
    10093: ("WSANOTINITIALISED", "WSAStartup is missing"),
    10102: ("WSAENOMORE", "no more results"),
    10103: ("WSAECANCELLED", "the call was cancelled"),
    10104: ("WSAEINVALIDPROCTABLE", "the routine table is invalid"),
    10105: ("WSAEINVALIDPROVIDER", "the provider id is unknown or can't be used"),
    10106: ("WSAEPROVIDERFAILEDINIT", "the provider could not be loaded or started"),
    10107: ("WSASYSCALLFAILURE", "the provider failed without giving a valid answer"),
    10108: ("WSASERVICE_NOT_FOUND", "no such service"),
    10109: ("WSATYPE_NOT_FOUND", "no such service class"),
    10110: ("WSA_E_NO_MORE", "no more results"),
    10111: ("WSA_E_CANCELLED", "the call was cancelled"),
    10112: ("WSAEREFUSED", "the data base refused the query"),
    11001: ("WSAHOST_NOT_FOUND", "the name is unknown"),
    11002: ("WSATRY_AGAIN", "there is no answer for now"),
    11003: ("WSANO_RECOVERY", "it failed for good"),
    11004: ("WSANO_DATA", "the name has no data of this kind"),
  ]
}
