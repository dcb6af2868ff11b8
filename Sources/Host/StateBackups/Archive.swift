import Glibc

/// A backup file: a tar archive whose entries are `FOLDER/FILE`, and behind them `nsphost-backup`, which lists them with length and checksum.
/// A file without the list is not complete.
enum Archive {
  static let listName = "nsphost-backup"
  private static let listHead = "nsphost-backup 1"
  private static let longestList = 4 << 20
  private static let mostEntries = 10_000

  struct Entry: Equatable {
    var folder: String
    var file: String
    var mode: UInt32
    var modified: Int64
    var length: Int64
    /// Where its content begins.
    var offset: Int64
    var checksum: UInt32

    var name: String { "\(folder)/\(file)" }
  }

  /// Whether a text can be a part of an entry's name: it leads nowhere else.
  static func isPlain(_ part: some StringProtocol) -> Bool {
    !part.isEmpty && part != "." && part != ".." && !part.utf8.contains { $0 == UInt8(ascii: "/") || $0 < 0x20 || $0 == 0x7F }
  }

  // MARK: Writing

  struct Writer: ~Copyable {
    private let descriptor: Int32
    private let path: String
    private var list = Archive.listHead + "\n"
    private(set) var count = 0

    /// - Parameter descriptor: Of an empty file, which stays the caller's.
    init(_ descriptor: Int32, _ path: String) { (self.descriptor, self.path) = (descriptor, path) }

    /// Adds what a file has, from its beginning to its end. Nobody changes the file meanwhile.
    mutating func add(_ folder: String, _ file: String, from source: Int32, _ status: stat) throws(StateFailure) {
      let name = "\(folder)/\(file)"
      guard name.utf8.count <= TarHeader.longestName else {
        throw StateFailure("the name \(name) is longer than \(TarHeader.longestName) bytes", "give the file a shorter name")
      }
      let length = Int64(status.st_size)
      let header = TarHeader(
        name: name, mode: UInt32(status.st_mode) & 0o7777, length: length, modified: Int64(status.st_mtim.tv_sec))
      try write(header.block)
      var checksum = Checksum()
      try Archive.chunks(of: source, from: 0, length, name) { (chunk: UnsafeRawBufferPointer) throws(StateFailure) in
        checksum.add(chunk)
        try write(chunk)
      }
      try write([UInt8](repeating: 0, count: Int(TarHeader.padded(length) - length)))
      list += "\(Archive.hexadecimal(checksum.value)) \(length) \(name)\n"
      count += 1
    }

    /// Adds the list and the end, and brings the file to the disk.
    mutating func finish() throws(StateFailure) {
      let bytes = Array(list.utf8)
      guard bytes.count <= Archive.longestList, count <= Archive.mostEntries else {
        throw StateFailure(
          "there are more than \(Archive.mostEntries) files", "keep in the state folder what belongs there alone")
      }
      let header = TarHeader(name: Archive.listName, mode: 0o600, length: Int64(bytes.count), modified: Int64(time(nil)))
      try write(header.block + bytes)
      try write([UInt8](repeating: 0, count: Int(TarHeader.padded(Int64(bytes.count))) - bytes.count + 2 * TarHeader.size))
      guard fsync(descriptor) == 0 else { throw .system(path, "make room there, or choose another place") }
    }

    private func write(_ bytes: [UInt8]) throws(StateFailure) {
      // What is thrown has to keep its type on its way through the closure.
      let result: Result<Void, StateFailure> = bytes.withUnsafeBytes { chunk in
        Result { () throws(StateFailure) in try write(chunk) }
      }
      try result.get()
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(StateFailure) { try Archive.write(bytes, to: descriptor, path) }
  }

  // MARK: Reading

  /// Reads everything but the content of the entries, and looks at all of it before anything is made of it: names, kinds, sizes.
  static func read(_ descriptor: Int32, _ path: String) throws(StateFailure) -> [Entry] {
    func damaged(_ what: String) -> StateFailure { StateFailure("\(path) \(what)", "use another backup") }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(path, "use another backup") }
    var (entries, known, offset) = ([Entry](), Set<String>(), Int64(0))
    while true {
      let block = try bytes(
        of: descriptor, from: offset, min(Int64(TarHeader.size), max(0, Int64(status.st_size) - offset)), path)
      let header: TarHeader
      do throws(TarHeader.Defect) {
        guard let next = try TarHeader.read(block) else { throw .damaged }
        header = next
      } catch .otherKind(let kind) {
        throw damaged("has an entry of kind '\(kind)' at byte \(offset): a backup has regular files alone")
      } catch {
        if offset == 0 { throw damaged("is not a backup that nsphost has made") }
        throw damaged("is damaged or not complete, at byte \(offset) of \(status.st_size)")
      }
      offset += Int64(TarHeader.size)
      guard header.length <= Int64(status.st_size) - offset else {
        throw damaged("is not complete: \(header.name) has \(header.length) bytes, and the file ends before them")
      }
      guard known.insert(header.name).inserted else { throw damaged("has \(header.name) twice") }
      if header.name == listName {
        guard header.length <= Int64(longestList) else { throw damaged("has a list of \(header.length) bytes") }
        return try check(
          entries, String(decoding: try bytes(of: descriptor, from: offset, header.length, path), as: UTF8.self), path)
      }
      let parts = header.name.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 2, parts.allSatisfy({ isPlain($0) }) else {
        throw damaged("has an entry with the name \(header.name), which is not that of a file in a state folder")
      }
      guard entries.count < mostEntries else { throw damaged("has more than \(mostEntries) files") }
      entries.append(
        Entry(
          folder: String(parts[0]), file: String(parts[1]), mode: header.mode, modified: header.modified, length: header.length,
          offset: offset, checksum: 0))
      offset += TarHeader.padded(header.length)
    }
  }

  /// The entries with their checksums, where the list is about these and no others.
  private static func check(_ entries: [Entry], _ list: String, _ path: String) throws(StateFailure) -> [Entry] {
    let lines = list.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.first == Substring(listHead) else {
      throw StateFailure(
        "\(path) was made by a later version of nsphost, or its list is damaged", "use that version, or another backup")
    }
    let failure = StateFailure("\(path) is damaged: its list and its files do not agree", "use another backup")
    guard lines.count == entries.count + 2, lines.last == "" else { throw failure }
    var checked: [Entry] = []
    for (entry, line) in zip(entries, lines.dropFirst()) {
      let fields = line.split(separator: " ", maxSplits: 2)
      guard fields.count == 3, let checksum = UInt32(fields[0], radix: 16), Int64(fields[1]) == entry.length,
        fields[2] == Substring(entry.name)
      else { throw failure }
      checked.append(entry)
      checked[checked.count - 1].checksum = checksum
    }
    return checked
  }

  /// Copies the content of an entry to a new file, and compares it with its checksum.
  static func extract(_ entry: Entry, of descriptor: Int32, _ path: String, to target: Int32, _ name: String) throws(StateFailure)
  {
    var checksum = Checksum()
    try chunks(of: descriptor, from: entry.offset, entry.length, path) { (chunk: UnsafeRawBufferPointer) throws(StateFailure) in
      checksum.add(chunk)
      try write(chunk, to: target, name)
    }
    guard checksum.value == entry.checksum else {
      throw StateFailure("\(path) is damaged: \(entry.name) is not what was saved", "use another backup")
    }
  }

  // MARK: Bytes

  static func copy(_ source: Int32, _ length: Int64, _ path: String, to target: Int32) throws(StateFailure) {
    try chunks(of: source, from: 0, length, path) { (chunk: UnsafeRawBufferPointer) throws(StateFailure) in
      try write(chunk, to: target, path)
    }
  }

  private static let chunkSize = 1 << 18

  /// Hands out a part of a file piece by piece; that it ends before is an error.
  private static func chunks(
    of descriptor: Int32, from start: Int64, _ length: Int64, _ path: String,
    _ body: (UnsafeRawBufferPointer) throws(StateFailure) -> Void
  ) throws(StateFailure) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkSize, alignment: 16)
    defer { buffer.deallocate() }
    var done: Int64 = 0
    while done < length {
      let count = pread(descriptor, buffer.baseAddress, min(buffer.count, Int(length - done)), off_t(start + done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw count < 0
          ? .system(path, "see what its disk says") : StateFailure("\(path) ends before its time", "see who changes the file")
      }
      try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      done += Int64(count)
    }
  }

  private static func bytes(of descriptor: Int32, from start: Int64, _ length: Int64, _ path: String) throws(StateFailure)
    -> [UInt8]
  {
    var bytes: [UInt8] = []
    try chunks(of: descriptor, from: start, length, path) { (chunk: UnsafeRawBufferPointer) throws(StateFailure) in
      bytes.append(contentsOf: chunk)
    }
    return bytes
  }

  static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws(StateFailure) {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .system(path, "make room there, or choose another place") }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  private static func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
