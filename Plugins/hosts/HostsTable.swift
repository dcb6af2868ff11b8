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

  /// A file that is there and can't be read, and why: a name that is not in the table may be in it.
  var unread: String?

  private struct Line: Sendable {
    let address: HostAddress
    let names: [String]
    /// Equal for lines with the same names; nil until somebody compares them.
    var group: Int32?
  }

  /// What one name leads to: its first line, and of the others those that add to it. A line that says nothing new costs no lookup anything.
  private struct Entry: Sendable {
    let first: Int32
    /// The last line that has the name.
    var last: Int32
    /// The lines that add an address, and those that add names, as lists through `links`.
    var addresses = Chain()
    var names = Chain()
    var addressCount = 1
  }

  private struct Chain: Sendable {
    var first: Int32 = -1
    var last: Int32 = -1
  }

  private struct Link: Sendable {
    let line: Int32
    var next: Int32 = -1
  }

  /// What the names that have several lines have so far.
  private struct Known: Sendable {
    struct Address: Hashable {
      let entry: Int32
      let address: HostAddress
    }
    struct Group: Hashable {
      let entry: Int32
      let group: Int32
    }

    var addresses: Set<Address> = []
    var groups: Set<Group> = []
    /// The number of each list of names.
    var numbers: [[String]: Int32] = [:]
  }

  private var lines: [Line] = []
  private var entries: [Entry] = []
  private var links: [Link] = []
  private var named: [String: Int32] = [:]
  /// The first line of each address, as it is written, except that addresses of IPv4 have one form.
  private var addressed: [HostAddress: Int32] = [:]
  /// The first line of each address that has a zone, in whichever.
  private var zoned: [HostAddress: Int32] = [:]
  /// Of no use once everything is read.
  private var known = Known()

  /// What can't be used of a file: how much, and the first of it.
  struct Unusable: Equatable, Sendable {
    enum Part: Equatable, Sendable {
      /// It has no address, or no name that can be used.
      case line
      /// One of its names, or some, can't be used. The others count.
      case name
    }
    struct Place: Equatable, Sendable {
      /// From 1.
      var line: Int
      var part: Part
    }

    var count = 0
    var first: [Place] = []

    static let mostListed = 10

    fileprivate mutating func add(_ place: Place) {
      count += 1
      if first.count < Self.mostListed { first.append(place) }
    }
  }

  private static let longestName = 1024
  /// What a record can have; of aliases as many.
  private static let mostOfHost = 4096

  // MARK: Asking

  /// What takes part in an answer is looked at, and nothing else, however many lines have the name.
  func host(named name: String, withAliases: Bool = true) -> Host? {
    guard let number = named[Self.folded(Self.relative(name))] else { return nil }
    let entry = entries[Int(number)]
    let first = lines[Int(entry.first)]
    var host = Host(name: first.names[0], aliases: [], addresses: [])
    var addresses: Set<HostAddress> = []
    walk(from: entry.first, entry.addresses) { line in
      // A mapped address is one of both families.
      for address in line.address.isMapped ? [line.address.unmapped, line.address] : [line.address]
      where host.addresses.count < Self.mostOfHost && addresses.insert(address).inserted { host.addresses.append(address) }
      return host.addresses.count < Self.mostOfHost
    }
    guard withAliases else { return host }
    var names: Set<String> = [host.name]
    walk(from: entry.first, entry.names) { line in
      for name in line.names where host.aliases.count < Self.mostOfHost && names.insert(name).inserted {
        host.aliases.append(name)
      }
      return host.aliases.count < Self.mostOfHost
    }
    return host
  }

  /// Shows the first line and those of a chain, as long as `body` wants more.
  private func walk(from first: Int32, _ chain: Chain, _ body: (Line) -> Bool) {
    guard body(lines[Int(first)]) else { return }
    var next = chain.first
    while next >= 0 {
      let link = links[Int(next)]
      guard body(lines[Int(link.line)]) else { return }
      next = link.next
    }
  }

  /// An address without a zone is looked for in all of them, and a line without one counts in all.
  func host(at address: HostAddress) -> Host? {
    let address = address.unmapped
    let places = [addressed[address], address.scope == 0 ? zoned[address] : addressed[address.withoutScope]]
    guard let index = places.compactMap(\.self).min() else { return nil }
    let line = lines[Int(index)]
    return Host(
      name: line.names[0], aliases: Array(line.names.dropFirst().prefix(Self.mostOfHost)),
      addresses: [address.scope != 0 ? address : line.address.unmapped])
  }

  /// Names compare without regard to the case of ASCII's letters, and of no others.
  private static func folded(_ name: String) -> String {
    func isUpper(_ byte: UInt8) -> Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) }
    // Most are written in lower case.
    guard name.utf8.contains(where: isUpper) else { return name }
    return String(decoding: name.utf8.map { isUpper($0) ? $0 + 32 : $0 }, as: UTF8.self)
  }

  /// Without the root's dot.
  private static func relative(_ name: String) -> String {
    guard name.utf8.last == UInt8(ascii: ".") else { return name }
    return String(name.unicodeScalars.dropLast())
  }

  // MARK: Reading

  /// Adds the lines of one more file, except what can't be used of them.
  mutating func read(_ text: [UInt8]) -> Unusable {
    var unusable = Unusable()
    let expected = text.count / 32
    named.reserveCapacity(named.count + expected)
    addressed.reserveCapacity(addressed.count + expected)
    text.withUnsafeBytes { text in
      var start = 0
      var number = 0
      while start < text.count {
        let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
        number += 1
        if let part = read(line: UnsafeRawBufferPointer(rebasing: text[start..<end])) {
          unusable.add(Unusable.Place(line: number, part: part))
        }
        start = end + 1
      }
    }
    return unusable
  }

  /// There are no more files.
  mutating func seal() { known = Known() }

  /// What can't be used of a line; one without anything is none.
  private mutating func read(line: UnsafeRawBufferPointer) -> Unusable.Part? {
    var words = Words(line)
    guard let first = words.next() else { return nil }
    guard let address = HostAddress(first), lines.count < Int32.max else { return .line }
    var names: [String] = []
    var unusable: Unusable.Part?
    while let word = words.next() {
      if let name = Self.name(word) { names.append(name) } else { unusable = .name }
    }
    guard !names.isEmpty else { return .line }
    let index = Int32(lines.count)
    lines.append(Line(address: address, names: names))
    let plain = address.unmapped
    if addressed[plain] == nil { addressed[plain] = index }
    if plain.scope != 0, zoned[plain.withoutScope] == nil { zoned[plain.withoutScope] = index }
    for name in names { enter(Self.folded(name), index) }
    return unusable
  }

  private static func name(_ word: UnsafeRawBufferPointer) -> String? {
    guard word.count <= longestName, !word.contains(0), let text = String(validating: word, as: UTF8.self) else { return nil }
    let name = relative(text)
    return name.isEmpty ? nil : name
  }

  private mutating func enter(_ name: String, _ line: Int32) {
    guard let number = named[name] else {
      named[name] = Int32(entries.count)
      return entries.append(Entry(first: line, last: line))
    }
    var entry = entries[Int(number)]
    // A line that has the same name twice counts once.
    guard entry.last != line else { return }
    if entry.last == entry.first { _ = (addsAddress(entry.first, number), addsNames(entry.first, number)) }
    entry.last = line
    if entry.addressCount < Self.mostOfHost, addsAddress(line, number) {
      entry.addressCount += 1
      append(line, to: &entry.addresses)
    }
    if addsNames(line, number) { append(line, to: &entry.names) }
    entries[Int(number)] = entry
  }

  private mutating func append(_ line: Int32, to chain: inout Chain) {
    let new = Int32(links.count)
    links.append(Link(line: line))
    if chain.last >= 0 { links[Int(chain.last)].next = new } else { chain.first = new }
    chain.last = new
  }

  private mutating func addsAddress(_ line: Int32, _ entry: Int32) -> Bool {
    known.addresses.insert(Known.Address(entry: entry, address: lines[Int(line)].address)).inserted
  }

  /// Lists of names are compared by their numbers: a line may have as many names as a file has room for.
  private mutating func addsNames(_ line: Int32, _ entry: Int32) -> Bool {
    let group: Int32
    if let number = lines[Int(line)].group {
      group = number
    } else {
      let names = lines[Int(line)].names
      group = known.numbers[names] ?? Int32(known.numbers.count)
      known.numbers[names] = group
      lines[Int(line)].group = group
    }
    return known.groups.insert(Known.Group(entry: entry, group: group)).inserted
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
