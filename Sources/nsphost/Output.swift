import Foundation
import Glibc
import Lookups
import Providers
import QuerySets

/// What a command reports when it can't do what it was asked: `what: why: what to do`, and an exit status.
struct CommandFailure: Error {
  enum Kind: Int32 {
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
  var query: QueryID?
  /// Those that could not answer.
  var unanswered: [Unanswered] = []
  var isJSON: Bool

  /// A provider that could not answer, and why: for programs and for people.
  struct Unanswered: Encodable {
    var provider: String
    var reason: String
    var detail: String
  }

  var status: Int32 { kind.rawValue }

  func report() {
    if let document { print(document) }
    Output.aside(line, prefix: "")
  }

  /// `what: why: what to do`.
  var line: String {
    var code = ""
    // Once, where the reason names it.
    if let error, !why.contains("(\(error.symbolicName))") { code = " (\(error.symbolicName))" }
    return "nsphost: \(what): \(why)\(code): \(remedy)".printable
  }

  /// The same for programs, where they asked for JSON.
  var document: String? {
    guard isJSON else { return nil }
    return Output.jsonText(
      ErrorDocument(
        error: .init(
          code: error?.rawValue, name: error?.symbolicName, what: what, why: why, remedy: remedy, query: query?.description,
          unanswered: unanswered.isEmpty ? nil : unanswered)))
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

      enum CodingKeys: String, CodingKey {
        case code, name, what, why, query, unanswered
        case remedy = "do"
      }
    }

    let schema = "nsphost.error/1"
    let host = HostEnvelope()
    var error: Body
  }
}

/// The part of every JSON document that says who printed it. `pid` is left out while the host is this very process.
struct HostEnvelope: Encodable {
  let version = NSPHost.version
}

enum Output {
  /// A line on standard error.
  static func aside(_ text: String, prefix: String = "nsphost: ") {
    // Where nobody reads it, nothing is to be done about it.
    try? FileHandle.standardError.write(contentsOf: Data((prefix + text + "\n").utf8))
  }

  static func json(_ document: some Encodable) { print(jsonText(document)) }

  /// Pretty on a terminal, one line otherwise.
  static func jsonText(_ document: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    if ProcessEnvironment.outputIsTerminal { encoder.outputFormatting.insert(.prettyPrinted) }
    do { return String(decoding: try encoder.encode(document), as: UTF8.self) } catch {
      aside("output: \(error): report this as a defect")
      return ""
    }
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
  /// With what would control a terminal, or begin a line, written as an escape.
  var printable: String {
    guard unicodeScalars.contains(where: \.isControl) else { return self }
    return unicodeScalars.map { $0.isControl ? "\\u{\(String($0.value, radix: 16))}" : String($0) }.joined()
  }

  fileprivate func cut(to count: Int) -> String { self.count > count ? prefix(count - 1) + "…" : self }
}

extension Unicode.Scalar {
  fileprivate var isControl: Bool {
    properties.generalCategory == .control || properties.generalCategory == .lineSeparator
      || properties.generalCategory == .paragraphSeparator || properties.isBidiControl
  }
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
