import Resolver

/// An e-mail address: as it is written, and as it is compared.
struct EmailAddress: Sendable {
  let text: String
  /// As the Domain Name System has it.
  let domain: String
  /// Equal for equal addresses. Whether a mailbox minds upper and lower case is known to its own domain alone, and there is hardly one that
  /// does: the local part is compared without regard to it, like the domain.
  let key: String

  private static let longest = 320

  /// Nil for what is no address.
  init?(_ text: String) {
    let bytes = text.utf8
    guard bytes.count <= Self.longest, !text.hasControlCharacters, let at = bytes.lastIndex(of: UInt8(ascii: "@")) else {
      return nil
    }
    let local = text[..<at]
    var written = text[bytes.index(after: at)...]
    if written.utf8.last == UInt8(ascii: ".") { written.removeLast() }
    guard !local.isEmpty, let ascii = try? Resolver.asciiName(written.lowercased()), Self.isDomain(ascii) else { return nil }
    domain = ascii
    key = local.lowercased() + "@" + domain
    self.text = text
  }

  /// Whether it has no empty labels, and nothing that the Domain Name System would read in another way.
  private static func isDomain(_ ascii: String) -> Bool {
    let labels = ascii.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return labels.allSatisfy { !$0.isEmpty } && !ascii.utf8.contains { $0 <= UInt8(ascii: " ") || $0 == UInt8(ascii: "\\") }
  }
}

/// What is offered at an address: a word such as imap, or nothing in particular.
struct Service: Hashable, Sendable {
  /// Without regard to case; empty for nothing in particular.
  let key: String

  static let any = Service(key: "")

  private static let longest = 64

  private init(key: String) { self.key = key }

  /// From the context of a query or of a registration, where the top of the name space is as good as none. Nil for what is no word.
  init?(_ context: String?) {
    let text = context ?? ""
    guard text.unicodeScalars.count <= Self.longest, !text.hasControlCharacters, !text.unicodeScalars.contains(" ") else {
      return nil
    }
    key = text == "\\" ? "" : text.lowercased()
  }
}

extension String {
  fileprivate var hasControlCharacters: Bool { unicodeScalars.contains { $0.properties.generalCategory == .control } }
}
