import Foundation

/// A tar archive as a backup is one: entries, and behind them the list of them. It can be made up in any way.
struct Tar: Sendable {
  struct Entry: Sendable {
    var name: String
    var content = Data()
    /// A regular file, where it is "0".
    var kind = "0"
  }

  static let listName = "nsphost-backup"

  /// Without the list.
  var entries: [Entry] = []
  var hasList = true

  private static let block = 512

  init(_ bytes: Data) {
    var offset = 0
    while offset + Self.block <= bytes.count, bytes[offset] != 0 {
      let header = bytes[offset..<offset + Self.block]
      let name = String(decoding: header.prefix(100).prefix { $0 != 0 }, as: UTF8.self)
      let size = Int(String(decoding: header.dropFirst(124).prefix(11), as: UTF8.self), radix: 8) ?? 0
      offset += Self.block
      if name != Self.listName { entries.append(Entry(name: name, content: Data(bytes[offset..<offset + size]))) }
      offset += (size + Self.block - 1) / Self.block * Self.block
    }
  }

  /// Of the first entry whose name ends so.
  subscript(_ name: String) -> Data? {
    get { entries.first { $0.name.hasSuffix(name) }?.content }
    set {
      guard let index = entries.firstIndex(where: { $0.name.hasSuffix(name) }), let newValue else { return }
      entries[index].content = newValue
    }
  }

  var bytes: Data {
    var bytes = Data()
    var list = "nsphost-backup 1\n"
    for entry in entries {
      bytes += Self.header(entry) + Self.padded(entry.content)
      guard entry.kind == "0" else { continue }
      list += String(format: "%08x", Self.checksum(entry.content)) + " \(entry.content.count) \(entry.name)\n"
    }
    let listed = Entry(name: Self.listName, content: Data(list.utf8))
    if hasList { bytes += Self.header(listed) + Self.padded(listed.content) }
    return bytes + Data(count: 2 * Self.block)
  }

  private static func padded(_ content: Data) -> Data {
    content + Data(count: (block - content.count % block) % block)
  }

  private static func header(_ entry: Entry) -> Data {
    var header = Data(count: block)
    func put(_ text: String, at place: Int) { header.replaceSubrange(place..<place + text.utf8.count, with: Data(text.utf8)) }
    put(entry.name, at: 0)
    for (place, text) in [(100, "0000600"), (108, "0000000"), (116, "0000000"), (136, "00000000000"), (156, entry.kind)] {
      put(text, at: place)
    }
    if entry.kind != "0" { put("/etc/passwd", at: 157) }
    put(String(entry.content.count, radix: 8).leftPadded(to: 11), at: 124)
    put("ustar\u{0}00", at: 257)
    return sealed(header)
  }

  /// With the sum that belongs to it.
  static func sealed(_ header: Data) -> Data {
    var header = header
    header.replaceSubrange(148..<156, with: Data("        ".utf8))
    let sum = header.reduce(0) { $0 + Int($1) }
    header.replaceSubrange(148..<156, with: Data((String(sum, radix: 8).leftPadded(to: 6) + "\u{0} ").utf8))
    return header
  }

  /// CRC-32, as zlib has it.
  static func checksum(_ content: Data) -> UInt32 {
    var sum = ~UInt32(0)
    for byte in content { sum = sum >> 8 ^ table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] }
    return ~sum
  }

  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { rest, _ in rest >> 1 ^ (rest & 1 == 0 ? 0 : 0xEDB8_8320) }
  }
}

extension String {
  fileprivate func leftPadded(to count: Int) -> String { String(repeating: "0", count: max(0, count - self.count)) + self }
}
