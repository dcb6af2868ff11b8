import Glibc
import NSPProvider
import QuerySets

/// A secret that is shared with a server (TSIG), from a file as tsig-keygen writes it: `key "name" { algorithm …; secret "…"; };`.
struct UpdateKey: Sendable {
  let name: String
  /// As ldns has it.
  let algorithm: String
  /// In base 64.
  let secret: String

  /// Those that ldns signs with.
  private static let algorithms: Set = ["hmac-md5", "hmac-sha1", "hmac-sha256", "hmac-sha512"]
  private static let largestFile = 1 << 16

  init(_ path: String) throws(WinsockError) {
    guard path.hasPrefix("/") else { throw Settings.refuse("update-key is \(path): write an absolute path") }
    let words = Self.words(try Self.text(path))
    func refuse() -> WinsockError { Settings.refuse("\(path) is no key file: write one with tsig-keygen") }
    guard words.count >= 3, words[0] == "key", words[2] == "{" else { throw refuse() }
    func value(_ name: String) -> String? {
      words.firstIndex(of: name).flatMap { words.indices.contains($0 + 1) ? words[$0 + 1] : nil }
    }
    guard let algorithm = value("algorithm")?.lowercased(), let secret = value("secret") else { throw refuse() }
    guard Self.algorithms.contains(algorithm) else {
      let known = Self.algorithms.sorted().joined(separator: ", ")
      throw Settings.refuse("\(path) has a key for \(algorithm): make one for any of \(known)")
    }
    let base64 = secret.utf8.allSatisfy {
      UInt8(ascii: "A")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "+")...UInt8(ascii: "=") ~= $0
    }
    guard !secret.isEmpty, base64, !words[1].isEmpty, words[1].utf8.count <= 255 else { throw refuse() }
    self.name = words[1]
    self.algorithm = algorithm == "hmac-md5" ? "hmac-md5.sig-alg.reg.int." : algorithm + "."
    self.secret = secret
  }

  private static func text(_ path: String) throws(WinsockError) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let reason = String(cString: strerror(errno))
      throw Settings.refuse("\(path), of update-key, can't be read: \(reason)")
    }
    defer { close(descriptor) }
    var found = stat()
    guard fstat(descriptor, &found) == 0, found.st_mode & S_IFMT == S_IFREG, found.st_size <= largestFile else {
      throw Settings.refuse("\(path), of update-key, is no regular file of a key's size")
    }
    guard found.st_mode & 0o077 == 0, found.st_uid == geteuid() || found.st_uid == 0 else {
      throw Settings.refuse("\(path), of update-key, is not its owner's alone: chmod 600 \(path)")
    }
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(found.st_size)) { buffer, count in
      count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The words of a file of such settings: what stands in quotation marks is one, so is each brace; semicolons part them.
  private static func words(_ text: String) -> [String] {
    var words: [String] = []
    var word: String?
    var isQuoted = false
    for character in text {
      if character == "\"" {
        isQuoted.toggle()
        word = word ?? ""
      } else if isQuoted {
        word?.append(character)
      } else if character.isWhitespace || ";{}".contains(character) {
        if let whole = word.take() { words.append(whole) }
        if character == "{" || character == "}" { words.append(String(character)) }
      } else {
        word = (word ?? "") + String(character)
      }
    }
    return words + (word.map { [$0] } ?? [])
  }
}
