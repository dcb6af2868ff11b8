import BoundedTOML
import Foundation
import Glibc
import HostDaemon
import Hosting
import Providers
import QuerySets
import Rundown

/// What a command reports when it can't do what it was asked: what, why, what to do on a line of its own, and an exit status.
struct CommandFailure: Error, Codable {
  enum Kind: Int32, Codable {
    case failed = 1
    case nothingFound = 2
    case usage = 64
    case unreachable = 69
    case notPermitted = 77
  }

  var kind: Kind = .failed
  var error: WinsockError?
  var what: String
  var why: String
  var remedy: String
  var query: String?
  /// Those that could not answer.
  var unanswered: [Unanswered] = []
  /// All that is wrong with a file, where that is why.
  var problems: [Problem] = []
  /// What programs read was printed already.
  var isForPeopleOnly = false

  /// What a host says of it in an answer.
  private enum CodingKeys: String, CodingKey { case kind, error, what, why, remedy, query, unanswered }

  /// A provider that could not answer, and why: for programs and for people.
  struct Unanswered: Codable {
    var provider: String
    var reason: String
    var detail: String
  }

  var status: Int32 { kind.rawValue }

  func report() {
    if let document { print(document) }
    reportAside()
  }

  /// For people only: what programs read is still to come.
  func reportAside() { for line in lines { Output.aside(line, prefix: "") } }

  /// What and why, then what to do.
  var lines: [String] {
    if !problems.isEmpty { return problems.flatMap(Output.lines) }
    var code = ""
    // Once, where the reason names it.
    if let error, !why.contains("(\(error.symbolicName))") { code = " (\(error.symbolicName))" }
    return ["nsphost: \(what): \(why)\(code)".printable, "help: \(remedy)".printable]
  }

  /// The same for programs, where they asked for JSON.
  var document: String? {
    guard CommandWords.ofProcess.wantsJSON, !isForPeopleOnly else { return nil }
    return Output.jsonText(
      ErrorDocument(
        error: .init(
          code: error?.rawValue, name: error?.symbolicName, what: what, why: why, remedy: remedy, query: query,
          unanswered: unanswered.isEmpty ? nil : unanswered,
          problems: problems.isEmpty ? nil : problems.map(ProblemDocument.init))))
  }

  private struct ErrorDocument: Encodable {
    struct Body: Encodable {
      var code: Int32?
      var name: String?
      var what: String
      var why: String
      var remedy: String
      var query: String?
      var unanswered: [Unanswered]?
      var problems: [ProblemDocument]?

      enum CodingKeys: String, CodingKey {
        case code, name, what, why, query, unanswered, problems
        case remedy = "do"
      }
    }

    let schema = "nsphost.error/1"
    let host = HostEnvelope()
    var error: Body
  }
}

extension CommandFailure {
  /// A file that somebody has written can't be used.
  init(_ problems: Problems) {
    let first = problems.all[0]
    self.init(what: first.file, why: first.text, remedy: first.help, problems: problems.all)
  }
}

/// What is wrong in one place of a file.
struct ProblemDocument: Encodable {
  var file: String
  var line: Int?
  var column: Int?
  var key: String?
  var value: String?
  var what: String
  var remedy: String

  enum CodingKeys: String, CodingKey {
    case file, line, column, key, value, what
    case remedy = "do"
  }

  init(_ problem: Problem) {
    (file, line, column) = (problem.file, problem.position?.line, problem.position?.column)
    (key, value, what, remedy) = (problem.key, problem.value, problem.text, problem.help)
  }
}

/// The part of every JSON document that says which host it is about.
struct HostEnvelope: Codable {
  var version = NSPHost.version
}

enum Output {
  /// Where a process writes that never waits for those who read it: a host, and what runs for one.
  private static let channels = Locked<(lines: LineOutput, asides: LineOutput)?>(nil)

  /// From now on nothing here waits for whoever reads it.
  /// - Parameter count: The line that says how many could not be written to standard error.
  static func neverWaits(_ count: @escaping @Sendable (Int) -> String = { "nsphost: \(Output.lostText($0))" }) {
    let asides = LineOutput(STDERR_FILENO, count: count, whenLost: HostLog.lose)
    let lines = LineOutput(STDOUT_FILENO, count: { "nsphost: \(Output.lostText($0))" })
    channels.withLock { $0 = (lines, asides) }
  }

  static func lostText(_ count: Int) -> String {
    "\(Output.count(count, "line", "lines")) lost here: nobody has read what was written"
  }

  /// Lines that have their ends, on standard error.
  static func pass(_ lines: [UInt8]) { channels.withLock { $0?.asides }?.write(bytes: lines) }

  /// Waits a moment for what was not written yet.
  static func flush() {
    guard let channels = channels.withLock({ $0 }) else { return }
    channels.asides.flush(within: .milliseconds(500))
    channels.lines.flush(within: .milliseconds(500))
  }

  /// A line on standard error. Names of others may be in it.
  static func aside(_ text: String, prefix: String = "nsphost: ") {
    if let asides = channels.withLock({ $0?.asides }) { return asides.write(prefix + text.printable) }
    // Where nobody reads it, nothing is to be done about it.
    try? FileHandle.standardError.write(contentsOf: Data((prefix + text.printable + "\n").utf8))
  }

  /// What is wrong and what to do, without an end to what is being done.
  static func warn(_ what: String, help: String) {
    aside(what)
    aside(help, prefix: "help: ")
  }

  /// As editors read it: the place stands first.
  static func lines(_ problem: Problem) -> [String] { [problem.line.printable, "help: \(problem.help)".printable] }

  static func tell(_ problem: Problem) { for line in lines(problem) { aside(line, prefix: "") } }

  /// A line on standard output, of which the same holds.
  static func line(_ text: String) {
    if let lines = channels.withLock({ $0?.lines }) { lines.write(text.printable) } else { print(text.printable) }
  }

  static func json(_ document: some Encodable) { print(jsonText(document)) }

  /// Pretty on a terminal, one line otherwise.
  static func jsonText(_ document: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    if ProcessEnvironment.outputIsTerminal { encoder.outputFormatting.insert(.prettyPrinted) }
    do { return escaped(String(decoding: try encoder.encode(document), as: UTF8.self)) } catch {
      aside("output: \(error): report this as a defect")
      return ""
    }
  }

  /// JSON may have most control characters in its strings; terminals and logs, which see it too, may not.
  static func escaped(_ json: String) -> String {
    guard json.unicodeScalars.contains(where: { $0.controlsTerminals && $0 != "\n" }) else { return json }
    // Each of them is of the basic plane.
    return json.unicodeScalars.map { scalar in
      scalar.controlsTerminals && scalar != "\n" ? String(format: "\\u%04x", scalar.value) : String(scalar)
    }.joined()
  }

  /// Columns as wide as their widest cell, two spaces apart; the last one is not padded.
  static func table(_ header: [String], _ rows: [[String]], rightAligned: Set<Int> = []) -> [String] {
    columns([header] + rows, rightAligned: rightAligned)
  }

  /// The same without a header. What strangers have named drives no terminal, and fills no screen.
  static func columns(_ rows: [[String]], rightAligned: Set<Int> = []) -> [String] {
    let rows = rows.map { row in row.map { $0.printable.cut(to: 256) } }
    let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        if rightAligned.contains(column) { return padding + cell }
        return column == row.count - 1 ? cell : cell + padding
      }.joined(separator: "  ")
    }
  }

  /// A time as people read it.
  static func text(_ duration: Duration) -> String {
    let microseconds = duration.microseconds
    switch microseconds {
    case ..<1000: return String(format: "%.0f us", microseconds)
    case ..<1_000_000: return String(format: "%.2f ms", microseconds / 1000)
    default: return String(format: "%.2f s", microseconds / 1_000_000)
    }
  }

  /// How long something has been, in the greatest unit that is whole.
  static func age(_ duration: Duration) -> String {
    let seconds = duration.components.seconds
    switch seconds {
    case ..<60: return "\(seconds) s"
    case ..<3600: return "\(seconds / 60) min"
    case ..<172_800: return "\(seconds / 3600) h"
    default: return "\(seconds / 86_400) d"
    }
  }

  static func count(_ number: Int, _ one: String, _ many: String) -> String { "\(number) \(number == 1 ? one : many)" }

  static func hexadecimal(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }
}

extension String {
  fileprivate func cut(to count: Int) -> String { self.count > count ? prefix(count - 1) + "…" : self }
}

extension Duration {
  var microseconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) * 1e6 + Double(attoseconds) / 1e12
  }
}

extension WinsockError {
  /// Whether the providers were asked and simply have nothing.
  var meansNothingFound: Bool {
    [.noMore, .serviceNotFound, .hostNotFound, .noData].contains(self)
  }
}
