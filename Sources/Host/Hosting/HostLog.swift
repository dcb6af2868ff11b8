import CWinsock
import Providers
import QuerySets
import Rundown
import Synchronization

/// How much something matters. The numbers are those of `NSPHostLog` (nsphost.h).
public enum LogLevel: UInt32, Sendable, CaseIterable, Comparable {
  case debug = 0
  case info = 1
  case warning = 2
  case error = 3

  public init?(named name: String) {
    guard let level = Self.allCases.first(where: { String(describing: $0) == name }) else { return nil }
    self = level
  }

  public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// One thing that host or provider has to say.
public struct LogEntry: Sendable {
  public var level: LogLevel
  /// Who says it; nil for the host.
  public var provider: String?
  /// What it is about.
  public var query: QueryID?
  /// One line, with escapes in the place of control characters.
  public var text: String
}

/// Where this process's hosts and their providers say what happens. Closed until somebody opens it; any thread may write.
public enum HostLog {
  private static let least = Atomic<UInt32>(.max)
  private static let sink = Locked<Sink?>(nil)

  // A bare closure would be wrapped once more each time that it is looked at through the lock.
  private struct Sink {
    var take: @Sendable (LogEntry) -> Void
    var pass: (@Sendable ([UInt8]) -> Void)?
  }

  private static let lines = Atomic<Int>(0)
  /// How many lines nobody could be given, since whoever reads the log does not.
  public static var lost: Int { lines.load(ordering: .relaxed) }
  public static func lose(_ count: Int) { lines.add(count, ordering: .relaxed) }

  /// From now on `sink` gets what is said at this level and above, on any thread, several at a time. It must not wait.
  /// - Parameter raw: Gets whole lines that other processes of this host write to their standard output and error.
  public static func open(
    _ level: LogLevel, raw: (@Sendable ([UInt8]) -> Void)? = nil, _ sink: @escaping @Sendable (LogEntry) -> Void
  ) {
    self.sink.withLock { $0 = Sink(take: sink, pass: raw) }
    least.store(level.rawValue, ordering: .releasing)
  }

  public static func isOpen(for level: LogLevel) -> Bool { level.rawValue >= least.load(ordering: .relaxed) }

  /// Calls out to whoever opened it.
  public static func write(_ level: LogLevel, provider: String? = nil, query: QueryID? = nil, _ text: @autoclosure () -> String) {
    guard isOpen(for: level), let sink = sink.withLock({ $0 }) else { return }
    sink.take(LogEntry(level: level, provider: provider?.printable, query: query, text: line(text())))
  }

  /// Where the lines of other processes go; nil where they go by themselves.
  public static var raw: (@Sendable ([UInt8]) -> Void)? { sink.withLock { $0 }?.pass }

  /// Watches over what belongs to the whole process: a provider that changes it is named, and it is set back. For programs that are a host and
  /// nothing else, before their first file is loaded.
  public static func watchProcess() {
    ProcessState.watch { providers, changes in
      let who =
        providers.count == 1 ? "" : providers.isEmpty ? "code of a provider: " : "\(providers.joined(separator: " or ")): "
      write(
        .warning, provider: providers.count == 1 ? providers[0] : nil,
        "\(who)changed what belongs to the whole host, which is set back: \(changes): isolation = \"worker\" gives the provider a process of its own"
      )
    }
  }

  /// Nobody writes lines of their own into the log: what ends a line or moves along it is a space there, the rest an escape.
  private static func line(_ text: String) -> String {
    var clean = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(2048) { clean.append("\t\n\r".unicodeScalars.contains(scalar) ? " " : scalar) }
    return String(clean).printable
  }
}
