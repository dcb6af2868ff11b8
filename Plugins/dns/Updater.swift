import NSPProvider
import QuerySets
import Resolver
import Synchronization

/// Makes registrations, one after the other, on a thread that is kept meanwhile.
final class Updater: Sendable {
  private let settings: UpdateSettings
  private let queue = WorkQueue()
  private let waiting = Atomic<Int>(0)

  private static let mostWaiting = 256

  init(_ settings: UpdateSettings) {
    self.settings = settings
    // Said at once, and again when it matters.
    do throws(UpdateKey.Failure) { _ = try settings.key() } catch {
      HostLog.say(.error, "registrations are refused until its key can be used: \(error)")
    }
  }

  func set(_ registration: Registration, for client: Client, _ completion: Completion) {
    guard settings.allows(client) else { return completion(.accessDenied) }
    let update: Update
    do throws(WinsockError) {
      update = try Update(registration, zone: settings.zone, takesWildcards: settings.takesWildcards)
    } catch { return completion(error) }
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
        HostLog.say(error.isExpected ? .info : .warning, "\(update.name) was not updated: \(error)")
        completion(error.winsockError)
      }
    }
  }

  private func perform(_ update: Update) throws(UpdateFailure) {
    let key: UpdateKey?
    do throws(UpdateKey.Failure) { key = try settings.key() } catch { throw .unusableKey(error) }
    guard try mayHave(update.removed, at: update.name, key) else { throw .absent }
    for (number, prerequisites) in update.attempts.enumerated() {
      let message = try UpdateMessage.update(update, where: prerequisites, settings, key)
      let answer = try UpdateConnection.exchange(message.bytes, with: settings.server)
      do throws(UpdateFailure) { return try message.check(answer) } catch {
        if error.saysAlias, prerequisites.contains(.noAlias) { throw .alias }
        guard error.saysAbsent else { throw error }
        if number == update.attempts.count - 1 { throw .absent }
      }
    }
  }

  /// Whether any of some records may be there. A server that answers no questions, or not to this host, still knows what it has.
  private func mayHave(
    _ records: [(type: Resolver.RecordType, data: [UInt8])], at name: String, _ key: UpdateKey?
  ) throws(UpdateFailure) -> Bool {
    var isUnknown = records.isEmpty
    for type in Set(records.map(\.type)) {
      let question = try UpdateMessage.question(name, type, key)
      let answer = try UpdateConnection.exchange(question.bytes, with: settings.server)
      do throws(UpdateFailure) {
        let found = try question.records(answer)
        if records.contains(where: { $0.type == type && found.contains($0.data) }) { return true }
      } catch { isUnknown = true }
    }
    return isUnknown
  }
}

/// Why an update was not made.
enum UpdateFailure: Error, CustomStringConvertible {
  /// What ldns says of a message that it is to make.
  case unwritable(String)
  case unreachable(String)
  case unreadable
  case unsigned
  case unusableKey(UpdateKey.Failure)
  /// The name has a CNAME.
  case alias
  /// There is nothing to take back.
  case absent
  /// The server's code (RFC 1035, 2136).
  case answered(UInt32, String)

  var winsockError: WinsockError {
    switch self {
    case .unwritable: .invalidArgument
    case .unreachable, .unreadable, .unsigned: .tryAgain
    case .unusableKey: .noRecovery
    case .alias: .invalidArgument
    case .absent: .serviceNotFound
    case .answered(let code, _): Self.codes[code] ?? .noRecovery
    }
  }

  /// NXDOMAIN, NXRRSET: a prerequisite that something is there does not hold.
  var saysAbsent: Bool { if case .answered(let code, _) = self { code == 3 || code == 8 } else { false } }

  /// YXRRSET: a prerequisite that something is not there does not hold.
  var saysAlias: Bool { if case .answered(7, _) = self { true } else { false } }

  /// Of the registration's own making, whatever the server is like.
  fileprivate var isExpected: Bool {
    switch self {
    case .absent: true
    default: false
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
    case .unusableKey(let failure): failure.description
    case .alias: "there is an alias (CNAME) at the name, beside which no other records can be: remove it, or register its target"
    case .absent: "nothing of it is there"
    case .answered(_, let name): "the server answers \(name)"
    }
  }
}
