import Providers
import QuerySets

/// Why a provider that should have answered could not.
public enum Outage: Sendable, Hashable {
  /// Its process is being started.
  case starting
  /// Its process has died, and is started again in a moment.
  case restarting
  /// Its process has died too often, and waits for an operator.
  case quarantined
  /// Its process has died, how, and is not started again.
  case died(String)
  /// The provider says itself that it cannot answer, and why.
  case failing(String)
  case failedStartup(WinsockError)
  /// Time ran out.
  case late
  /// It left while the query was under way.
  case gone
  case outOfResources(WinsockError)
  /// It answered that it cannot tell for now.
  case noAnswerNow(WinsockError)

  /// For programs.
  public var name: String {
    switch self {
    case .starting: "starting"
    case .restarting: "restarting"
    case .quarantined: "quarantined"
    case .died: "died"
    case .failing: "failing"
    case .failedStartup: "failed-startup"
    case .late: "timed-out"
    case .gone: "gone"
    case .outOfResources: "out-of-resources"
    case .noAnswerNow: "no-answer-now"
    }
  }

  /// For people.
  public var text: String {
    switch self {
    case .starting: "its process is being started"
    case .restarting: "its process has died and is being restarted"
    case .quarantined: "its process has died too often and is quarantined"
    case .died(let how): "its process has died: \(how)"
    case .failing(let reason): "it is failing: \(reason)"
    case .failedStartup(let error): "its startup failed: \(error.meaning) (\(error.symbolicName))"
    case .late: "no answer in time"
    case .gone: "it left during the query"
    case .outOfResources(let error): "it is out of resources: \(error.meaning) (\(error.symbolicName))"
    case .noAnswerNow(let error): "it cannot tell for now (\(error.symbolicName))"
    }
  }
}

/// What one provider contributes to the answer of a query, and the one rule that makes the answer of all of them (nsp.md §8.4).
///
/// "Not found" is the answer only where every provider that counts has said so. Providers that are absent (disabled, refused, not for
/// this user, not advertised, without the routine) do not count.
public enum Finding: Sendable, Hashable {
  case found
  /// It should have answered, and could not.
  case down(Outage)
  /// It failed with a code that says nothing of the name.
  case failed(WinsockError)
  /// It knows the name, and has no such data.
  case noData
  case notFound
  /// The question is none that it takes.
  case rejected(WinsockError)
  /// It does not count. The code is for a client that named this provider.
  case absent(WinsockError)

  /// What a code says that ended a query at one provider before any record.
  public init(_ code: WinsockError) {
    switch code {
    case .noMore, .noMoreOld, .serviceNotFound, .hostNotFound: self = .notFound
    case .noData: self = .noData
    case .timedOut: self = .down(.late)
    case .tryAgain, .wouldBlock, .networkDown, .connectionRefused, .systemNotReady: self = .down(.noAnswerNow(code))
    case .noBuffers, .notEnoughMemory, .tooManyOpen, .tooManyProcesses: self = .down(.outOfResources(code))
    case .providerFailedInit, .invalidProvider, .invalidProcedureTable: self = .down(.failedStartup(code))
    case .operationNotSupported, .accessDenied: self = .absent(code)
    case .invalidArgument, .typeNotFound, .addressFamilyNotSupported, .socketTypeNotSupported: self = .rejected(code)
    default: self = .failed(code)
    }
  }

  /// What is known besides the code of a call that failed.
  struct Circumstances: Sendable {
    /// The failed call was the startup.
    var isStartup = false
    /// The provider was given up, or answered when its time was over.
    var isLate = false
    /// Its process is gone.
    var isGone = false
    /// Why it is failing, by its own word.
    var failing: String?
  }

  init(_ code: WinsockError, _ circumstances: Circumstances) {
    let byCode = Finding(code)
    var isDown = if case .down = byCode { true } else { false }
    switch code {
    // A provider may refuse a user, and a client may leave, during the startup, too.
    case .accessDenied, .operationNotSupported, .cancelled: break
    default: isDown = isDown || circumstances.isStartup
    }
    if !isDown {
      self = byCode
    } else if circumstances.isGone {
      self = .down(.gone)
    } else if circumstances.isLate {
      self = .down(.late)
    } else if let reason = circumstances.failing {
      self = .down(.failing(reason))
    } else {
      self = circumstances.isStartup ? .down(.failedStartup(code)) : byCode
    }
  }

  /// How much it counts: what stands first decides.
  private var rank: Int {
    switch self {
    case .found: 0
    case .down: 1
    case .failed: 2
    case .noData: 3
    case .notFound: 4
    case .rejected: 5
    case .absent: 6
    }
  }

  /// The code of a query that ends with this alone; nil where there are records.
  private var code: WinsockError? {
    switch self {
    case .found: nil
    case .down: .tryAgain
    case .noData: .noData
    case .notFound: .serviceNotFound
    case .failed(let code), .rejected(let code), .absent(let code): code
    }
  }

  /// The answer to a query: nil where somebody has records, else the code of its end. Of findings that count alike, the first decides.
  public static func answer(_ findings: some Sequence<Finding>) -> WinsockError? {
    guard let first = findings.min(by: { $0.rank < $1.rank }) else { return .serviceNotFound }
    return first.code
  }

  /// The answer to a registration, by the answers of those that were asked: done > `WSAEACCES` > an outage > another error > no such
  /// name > does not serve such names (nsp.md §8.6). Of codes that count alike, the first decides.
  public static func registrationAnswer(_ codes: some Sequence<WinsockError?>) -> WinsockError? {
    func rank(_ code: WinsockError?) -> Int {
      guard let code else { return 0 }
      if code == .accessDenied { return 1 }
      return switch Finding(code) {
      case .down: 2
      case .found, .failed, .rejected: 3
      case .noData, .notFound: 4
      case .absent: 5
      }
    }
    return codes.min { rank($0) < rank($1) } ?? .serviceNotFound
  }
}
