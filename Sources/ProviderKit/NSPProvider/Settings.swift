import CWinsock
import QuerySets

/// What manifest and configuration say for this provider under `settings` (`NSPHostSetting`).
public struct Settings: Sendable {
  let id: GUID

  init(_ id: GUID) { self.id = id }

  /// The texts of a value; nil where nothing is set.
  public func texts(_ name: String) throws(WinsockError) -> [String]? {
    var (id, size) = (id, DWORD(0))
    var bytes: [CChar] = []
    var status = NSPHostSetting(&id, name, nil, &size)
    // Settings do not change while a host runs.
    if status == WSAEFAULT {
      bytes = [CChar](repeating: 0, count: Int(size))
      status = NSPHostSetting(&id, name, &bytes, &size)
    }
    if status == WSANO_DATA { return nil }
    guard status == 0 else { throw WinsockError(rawValue: status) }
    return bytes.split(separator: 0).map { String(decoding: $0.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
  }

  /// A value that is no list.
  public func text(_ name: String) throws(WinsockError) -> String? {
    guard let texts = try texts(name) else { return nil }
    guard texts.count == 1 else { throw Self.refuse("\(name) is a list: write one value") }
    return texts[0]
  }

  /// A number in a range; the default where nothing is set.
  public func number(_ name: String, _ range: ClosedRange<Int>, default value: Int) throws(WinsockError) -> Int {
    guard let text = try text(name) else { return value }
    guard let number = Int(text), range.contains(number) else {
      throw Self.refuse("\(name) is \(text): write a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  public func truth(_ name: String, default value: Bool) throws(WinsockError) -> Bool {
    guard let text = try text(name) else { return value }
    guard let truth = Bool(text) else { throw Self.refuse("\(name) is \(text): write true or false") }
    return truth
  }

  /// Says in the host's log what is wrong with a setting.
  /// - Returns: What the client gets.
  public static func refuse(_ what: String) -> WinsockError {
    Condition.explain("its settings can't be used: \(what)")
    HostLog.say(.error, "its settings can't be used: \(what)")
    return .providerFailedInit
  }
}

/// The host's log, where lines carry the provider's name and the query's id.
public enum HostLog {
  public enum Level: UInt32, Sendable {
    case debug = 0
    case info = 1
    case warning = 2
    case error = 3
  }

  public static func say(_ level: Level, _ text: String) { NSPHostLog(nil, level.rawValue, text) }
}
