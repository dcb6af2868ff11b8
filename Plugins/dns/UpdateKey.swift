import Glibc

/// A secret that is shared with a server (TSIG), from a file as tsig-keygen writes it: `key "name" { algorithm …; secret "…"; };`, with the
/// comments that named.conf may have.
struct UpdateKey: Sendable, Equatable {
  let name: String
  /// As ldns has it.
  let algorithm: String
  /// In base 64.
  let secret: String

  /// Why a file is no key, and what to do.
  struct Failure: Error, Equatable, CustomStringConvertible {
    let description: String
  }

  /// Those that ldns signs with.
  private static let algorithms: Set = ["hmac-md5", "hmac-sha1", "hmac-sha256", "hmac-sha512"]
  /// The name that hmac-md5 has in messages.
  private static let longMD5 = "hmac-md5.sig-alg.reg.int"
  private static let largestFile = 1 << 16

  init(_ path: String) throws(Failure) {
    guard path.hasPrefix("/") else { throw Failure(description: "update-key is \(path): write an absolute path") }
    try self.init(try Self.text(path), of: path)
  }

  /// - Parameter path: What the file is called.
  init(_ text: String, of path: String) throws(Failure) {
    let words = Self.words(text)
    let failure = Failure(description: "\(path) is no key file: write one with tsig-keygen")
    guard words.count >= 3, words[0] == "key", words[2] == "{" else { throw failure }
    // A key may be called like one of its values.
    let values = words[3...]
    func value(_ name: String) -> String? {
      values.firstIndex(of: name).flatMap { values.indices.contains($0 + 1) ? values[$0 + 1] : nil }
    }
    guard var algorithm = value("algorithm")?.lowercased(), let secret = value("secret") else { throw failure }
    // Names of algorithms are names of the Domain Name System, and may be written with its root's dot.
    if algorithm.utf8.last == UInt8(ascii: ".") { algorithm.removeLast() }
    if algorithm == Self.longMD5 { algorithm = "hmac-md5" }
    guard Self.algorithms.contains(algorithm) else {
      let known = Self.algorithms.sorted().joined(separator: ", ")
      throw Failure(description: "\(path) has a key for \(algorithm): make one for any of \(known)")
    }
    guard Self.isBase64(secret), !words[1].isEmpty, words[1].utf8.count <= 255 else { throw failure }
    name = words[1]
    self.algorithm = (algorithm == "hmac-md5" ? Self.longMD5 : algorithm) + "."
    self.secret = secret
  }

  private static func isBase64(_ text: String) -> Bool {
    let digits = text.utf8.prefix { byte in
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "+"), UInt8(ascii: "/"):
        true
      default: false
      }
    }
    let padding = text.utf8.dropFirst(digits.count)
    return !digits.isEmpty && padding.count <= 2 && padding.allSatisfy { $0 == UInt8(ascii: "=") } && text.utf8.count % 4 == 0
  }

  private static func text(_ path: String) throws(Failure) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let reason = String(cString: strerror(errno))
      throw Failure(description: "\(path), of update-key, can't be read: \(reason)")
    }
    defer { close(descriptor) }
    var found = stat()
    guard fstat(descriptor, &found) == 0, found.st_mode & S_IFMT == S_IFREG, found.st_size <= largestFile else {
      throw Failure(description: "\(path), of update-key, is no regular file of a key's size")
    }
    guard found.st_mode & 0o077 == 0, found.st_uid == geteuid() || found.st_uid == 0 else {
      throw Failure(description: "\(path), of update-key, is not its owner's alone: chmod 600 \(path)")
    }
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(found.st_size)) { buffer, count in
      count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The words of a file of such settings: what stands in quotation marks is one, so is each brace; semicolons part them, and comments: from
  /// `#` or `//` to the end of the line, and between `/*` and `*/`. Two slashes within a word are a secret's.
  private static func words(_ text: String) -> [String] {
    var words: [String] = []
    var word: String?
    var rest = text[...]
    func endWord() { if let whole = word.take() { words.append(whole) } }
    while let character = rest.popFirst() {
      if character == "\"" {
        let quoted = rest.prefix { $0 != "\"" }
        word = (word ?? "") + quoted
        rest = rest[quoted.endIndex...].dropFirst()
      } else if character == "#" || word == nil && character == "/" && rest.first == "/" {
        endWord()
        rest = rest.drop { !$0.isNewline }
      } else if character == "/", rest.first == "*" {
        endWord()
        rest = rest.dropFirst()
        rest = rest.firstRange(of: "*/").map { rest[$0.upperBound...] } ?? rest[rest.endIndex...]
      } else if character.isWhitespace || ";{}".contains(character) {
        endWord()
        if character == "{" || character == "}" { words.append(String(character)) }
      } else {
        word = (word ?? "") + String(character)
      }
    }
    endWord()
    return words
  }
}
