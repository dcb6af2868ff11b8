import Dispatch
import NSPProvider
import QuerySets
import Synchronization

/// Makes registrations, one after the other, on a thread that is kept meanwhile.
final class Updater: Sendable {
  private let settings: UpdateSettings
  private let queue = DispatchQueue(label: "nsp.dns.update")
  private let waiting = Atomic<Int>(0)

  private static let mostWaiting = 256

  init(_ settings: UpdateSettings) { self.settings = settings }

  func set(_ registration: Registration, for client: Client, _ completion: Completion) {
    guard settings.allows(client) else { return completion(.accessDenied) }
    let update: Update
    do throws(WinsockError) { update = try Update(registration, zone: settings.zone) } catch { return completion(error) }
    guard waiting.add(1, ordering: .relaxed).newValue <= Self.mostWaiting else {
      waiting.subtract(1, ordering: .relaxed)
      return completion(.tryAgain)
    }
    queue.async { [self] in
      defer { waiting.subtract(1, ordering: .relaxed) }
      do throws(UpdateFailure) {
        try perform(update)
        completion()
      } catch {
        HostLog.say(.warning, "\(update.name) was not updated: \(error)")
        completion(error.winsockError)
      }
    }
  }

  private func perform(_ update: Update) throws(UpdateFailure) {
    let message = try UpdateMessage(update, settings)
    let answer = try UpdateConnection.exchange(message.bytes, with: settings.server)
    try message.check(answer)
  }
}

/// Why an update was not made.
enum UpdateFailure: Error, CustomStringConvertible {
  /// What ldns says of a message that it is to make.
  case unwritable(String)
  case unreachable(String)
  case unreadable
  case unsigned
  /// The server's code (RFC 1035, 2136).
  case answered(UInt32, String)

  var winsockError: WinsockError {
    switch self {
    case .unwritable: .invalidArgument
    case .unreachable, .unreadable, .unsigned: .tryAgain
    case .answered(let code, _): Self.codes[code] ?? .noRecovery
    }
  }

  /// FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH, NOTZONE.
  private static let codes: [UInt32: WinsockError] = [
    1: .invalidArgument, 2: .tryAgain, 3: .serviceNotFound, 4: .operationNotSupported, 5: .accessDenied, 6: .invalidArgument,
    7: .invalidArgument, 8: .serviceNotFound, 9: .accessDenied, 10: .invalidArgument,
  ]

  var description: String {
    switch self {
    case .unwritable(let reason): "the message can't be made: \(reason)"
    case .unreachable(let reason): "the server can't be reached: \(reason)"
    case .unreadable: "the server's answer can't be read"
    case .unsigned: "the server's answer is not signed with the key"
    case .answered(_, let name): "the server answers \(name)"
    }
  }
}
