import QuerySets

/// How long a registration lives, as its query string says: `session`, `expires=SECONDS`, both, or nothing, which is for good.
struct Lifetime: Equatable, Sendable {
  var endsWithSession = false
  var seconds: Int64?

  private static let tenYears: Int64 = 10 * 365 * 86_400

  /// Words are separated by semicolons and spaces; each may be there once.
  init(_ text: String?) throws(WinsockError) {
    for word in (text ?? "").split(whereSeparator: { $0 == ";" || $0 == " " }) {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      switch (parts[0], parts.count) {
      case ("session", 1) where !endsWithSession: endsWithSession = true
      case ("expires", 2) where seconds == nil:
        guard let number = Int64(parts[1]), (1...Self.tenYears).contains(number) else { throw .invalidArgument }
        seconds = number
      default: throw .invalidArgument
      }
    }
  }
}
