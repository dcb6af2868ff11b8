/// What some files like /etc/hosts say, by name and by address. Built by one pass over their text, and never changed.
struct HostsTable: Sendable {
  /// What one name or one address comes to.
  struct Host: Equatable, Sendable {
    /// The first name of the first line that has what was asked for.
    var name: String
    /// Every other name of these lines.
    var aliases: [String]
    var addresses: [HostAddress]
  }

  private struct Line: Sendable {
    let address: HostAddress
    let names: [String]
  }

  /// The lines of a name, as a list through `links`.
  private struct Lines: Sendable {
    let first: Int32
    var last: Int32
  }

  private struct Link: Sendable {
    let line: Int32
    var next: Int32 = -1
  }

  private var lines: [Line] = []
  private var links: [Link] = []
  private var named: [String: Lines] = [:]
  private var addressed: [HostAddress: Int32] = [:]

  /// Lines of a file that can't be used: how many, and the first, by its number from 1.
  struct Unusable {
    var count: Int
    var first: Int
  }

  private static let longestName = 1024
  /// What a record can have; of aliases as many.
  private static let mostOfHost = 4096

  // MARK: Asking

  func host(named name: String) -> Host? {
    let name = name.hasSuffix(".") ? String(name.dropLast()) : name
    guard let found = named[Self.folded(name)] else { return nil }
    var host = Host(name: lines[Int(links[Int(found.first)].line)].names[0], aliases: [], addresses: [])
    var (names, addresses): (Set<String>, Set<HostAddress>) = ([host.name], [])
    var next = found.first
    while next >= 0, addresses.count < Self.mostOfHost {
      let line = lines[Int(links[Int(next)].line)]
      for name in line.names where names.count <= Self.mostOfHost && names.insert(name).inserted { host.aliases.append(name) }
      if addresses.insert(line.address).inserted { host.addresses.append(line.address) }
      next = links[Int(next)].next
    }
    return host
  }

  func host(at address: HostAddress) -> Host? {
    addressed[address].map { index in
      let line = lines[Int(index)]
      return Host(
        name: line.names[0], aliases: Array(line.names.dropFirst().prefix(Self.mostOfHost)), addresses: [line.address])
    }
  }

  /// Names are compared as ASCII, whatever the case. Most are written in lower case.
  private static func folded(_ name: String) -> String {
    name.utf8.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) } ? name.lowercased() : name
  }

  // MARK: Reading

  /// Adds the lines of one more file, but for those that can't be used.
  mutating func read(_ text: [UInt8]) -> Unusable? {
    var unusable: Unusable?
    let expected = text.count / 32
    named.reserveCapacity(named.count + expected)
    addressed.reserveCapacity(addressed.count + expected)
    text.withUnsafeBytes { text in
      var start = 0
      var number = 0
      while start < text.count {
        let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
        number += 1
        if !read(line: UnsafeRawBufferPointer(rebasing: text[start..<end])) {
          unusable = Unusable(count: (unusable?.count ?? 0) + 1, first: unusable?.first ?? number)
        }
        start = end + 1
      }
    }
    return unusable
  }

  /// False for a line that can't be used; one without anything is none.
  private mutating func read(line: UnsafeRawBufferPointer) -> Bool {
    var words = Words(line)
    guard let first = words.next() else { return true }
    guard let address = HostAddress(first), lines.count < Int32.max else { return false }
    var names: [String] = []
    while let word = words.next() {
      guard word.count <= Self.longestName, !word.contains(0), let name = String(validating: word, as: UTF8.self) else {
        return false
      }
      names.append(name)
    }
    guard !names.isEmpty else { return false }
    let index = Int32(lines.count)
    lines.append(Line(address: address, names: names))
    if addressed[address] == nil { addressed[address] = index }
    for name in names { link(Self.folded(name), to: index) }
    return true
  }

  private mutating func link(_ name: String, to line: Int32) {
    let new = Int32(links.count)
    links.append(Link(line: line))
    if let known = named[name] {
      // A line that has the same name twice counts once.
      if links[Int(known.last)].line == line { return }
      links[Int(known.last)].next = new
      named[name]?.last = new
    } else {
      named[name] = Lines(first: new, last: new)
    }
  }

  /// The words of a line, up to a comment.
  private struct Words {
    private let line: UnsafeRawBufferPointer
    private var position = 0

    init(_ line: UnsafeRawBufferPointer) { self.line = line }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

    mutating func next() -> UnsafeRawBufferPointer? {
      while position < line.count, Self.isSpace(line[position]) { position += 1 }
      let start = position
      while position < line.count, !Self.isSpace(line[position]), line[position] != UInt8(ascii: "#") { position += 1 }
      if position < line.count, line[position] == UInt8(ascii: "#") {
        defer { position = line.count }
        return start == position ? nil : UnsafeRawBufferPointer(rebasing: line[start..<position])
      }
      return start == position ? nil : UnsafeRawBufferPointer(rebasing: line[start..<position])
    }
  }
}
