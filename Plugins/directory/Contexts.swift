/// A place in the tree that contexts make: names from the top down, separated by backslashes. Case does not tell two of them apart.
struct ContextPath: Sendable {
  static let separator: Character = "\\"
  private static let deepest = 32
  private static let longest = 1024

  /// As they were written.
  let components: [String]

  /// Nothing and `\` are the top. Nil where a name in the middle is missing, or there is more than the store takes.
  init?(_ text: String?) {
    var rest = Substring(text ?? "")
    if rest.first == Self.separator { rest = rest.dropFirst() }
    if rest.last == Self.separator { rest = rest.dropLast() }
    let parts = rest.isEmpty ? [] : rest.split(separator: Self.separator, omittingEmptySubsequences: false)
    guard parts.count <= Self.deepest, rest.utf8.count <= Self.longest, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
    components = parts.map(String.init)
  }

  private init(components: some Sequence<String>) { self.components = Array(components) }

  /// The whole path from the top.
  var description: String { #"\"# + components.joined(separator: #"\"#) }

  /// How the store keeps it: each name folded and with a separator behind it, so that everything below a context begins with its key.
  var key: String { Self.key(components.map(Spelling.folded)) }

  private static func key(_ folded: some Sequence<String>) -> String { #"\"# + folded.map { $0 + #"\"# }.joined() }

  /// No key below this one comes after it, and none is equal: `]` follows the separator.
  var end: String { Self.end(of: key) }

  static func end(of key: String) -> String { key.dropLast() + "]" }

  /// The context itself, or one that it is below.
  func ancestor(_ depth: Int) -> ContextPath { ContextPath(components: components.prefix(depth)) }
}

/// How names are compared.
enum Spelling {
  /// In lower case: names that differ in nothing else are the same.
  static func folded(_ name: String) -> String { name.lowercased() }
}
