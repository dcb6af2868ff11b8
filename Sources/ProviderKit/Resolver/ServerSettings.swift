import CAres
import Glibc

extension Resolver.ConfigurationFailure {
  init(_ what: String, _ status: Int32) { description = "\(what): \(String(cString: ares_strerror(status)))" }
}

/// What a channel is made of: the configuration, and what resolv.conf says besides that c-ares does not read.
struct ServerSettings {
  let servers: [String]?
  let search: [String]?
  let ndots: Int?
  /// Milliseconds.
  let timeout: Int
  let tries: Int
  let resolvConf: String

  private static let defaultTimeout = 1000
  private static let defaultTries = 2
  private static let longestTimeout: Duration = .seconds(60)
  /// The time doubles with each.
  private static let mostTries = 10

  init(_ configuration: Resolver.Configuration) {
    servers = configuration.servers
    search = configuration.search
    ndots = configuration.ndots
    let text = FileIdentity(configuration.resolvConf).flatMap { _ in Self.text(of: configuration.resolvConf) }
    // What is no file is as good as empty; reading it might take for ever.
    resolvConf = text == nil ? "/dev/null" : configuration.resolvConf
    let options = Self.options(text ?? "")
    let seconds = options["timeout"].map { min(max($0, 1), 30) * 1000 }
    let wanted = configuration.timeout.map { Int(min(max($0, .milliseconds(1)), Self.longestTimeout) / .milliseconds(1)) }
    timeout = wanted ?? seconds ?? Self.defaultTimeout
    tries =
      configuration.tries.map { min(max($0, 1), Self.mostTries) } ?? options["attempts"].map { min(max($0, 1), 5) }
      ?? Self.defaultTries
  }

  /// The numbers of lines like `options timeout:1 attempts:3`.
  private static func options(_ text: String) -> [String: Int] {
    var found: [String: Int] = [:]
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.split(whereSeparator: \.isWhitespace)
      guard words.first == "options" else { continue }
      for word in words.dropFirst() {
        let parts = word.split(separator: ":", maxSplits: 1)
        if parts.count == 2, let number = Int(parts[1]) { found[String(parts[0])] = number }
      }
    }
    return found
  }

  private static let largestFile = 1 << 20

  private static func text(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    while bytes.count < largestFile {
      let part = [UInt8](unsafeUninitializedCapacity: 1 << 14) { buffer, count in
        count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
      }
      if part.isEmpty { break }
      bytes += part
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Tells one state of a regular file from another.
struct FileIdentity: Equatable {
  private let device: UInt64
  private let number: UInt64
  private let size: Int
  private let times: [Int]

  init?(_ path: String) {
    var found = stat()
    guard stat(path, &found) == 0, found.st_mode & S_IFMT == S_IFREG else { return nil }
    device = UInt64(found.st_dev)
    number = UInt64(found.st_ino)
    size = Int(found.st_size)
    times = [found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ctim.tv_sec, found.st_ctim.tv_nsec]
  }
}
