/// The dynamic symbol table of an ELF file with its hash tables: how long it is, and whether it defines a name.
struct SymbolTable: Sendable {
  var entries: UInt64?
  var strings: UInt64?
  var gnuHash: UInt64?
  var sysvHash: UInt64?

  /// No real file has more; a table that claims more is damaged.
  private static let maximum: UInt32 = 1 << 22

  /// How many symbols there are. ELF doesn't say it directly: the hash tables do.
  func count(in bytes: FileBytes) -> UInt32? {
    if let sysvHash { return bytes.number(sysvHash &+ 4, as: UInt32.self).flatMap { $0 <= Self.maximum ? $0 : nil } }
    guard let hash = GNUHash(gnuHash, bytes) else { return nil }
    var last: UInt32 = 0
    for bucket in 0..<hash.bucketCount {
      guard let first = bytes.number(hash.buckets &+ UInt64(bucket) &* 4, as: UInt32.self) else { return nil }
      last = max(last, first)
    }
    guard last >= hash.symbolOffset else { return hash.symbolOffset }
    while last < Self.maximum {
      guard let value = bytes.number(hash.chain(last), as: UInt32.self) else { return nil }
      last += 1
      if value & 1 != 0 { return last }
    }
    return nil
  }

  /// Whether a defined symbol has this name.
  func find(_ name: UnsafeRawBufferPointer, in bytes: FileBytes) -> Bool {
    guard let entries, let strings, let hash = GNUHash(gnuHash, bytes) else { return false }
    var value: UInt32 = 5381
    for byte in name { value = value &* 33 &+ UInt32(byte) }
    guard hash.mayContain(value, bytes), hash.bucketCount > 0,
      var index = bytes.number(hash.buckets &+ UInt64(value % hash.bucketCount) &* 4, as: UInt32.self),
      index >= hash.symbolOffset
    else { return false }
    while index < Self.maximum {
      guard let link = bytes.number(hash.chain(index), as: UInt32.self) else { return false }
      if link | 1 == value | 1 {
        let entry = entries &+ UInt64(index) &* 24
        guard let nameOffset = bytes.number(entry, as: UInt32.self), let section = bytes.number(entry &+ 6, as: UInt16.self),
          let found = bytes.text(strings &+ UInt64(nameOffset))
        else { return false }
        if section != 0, found.elementsEqual(name) { return true }
      }
      if link & 1 != 0 { return false }
      index += 1
    }
    return false
  }
}

/// The header of a DT_GNU_HASH table.
private struct GNUHash {
  let bucketCount: UInt32
  let symbolOffset: UInt32
  private let bloomSize: UInt32
  private let bloomShift: UInt32
  private let start: UInt64

  init?(_ start: UInt64?, _ bytes: FileBytes) {
    guard let start, let bucketCount = bytes.number(start, as: UInt32.self),
      let symbolOffset = bytes.number(start &+ 4, as: UInt32.self), let bloomSize = bytes.number(start &+ 8, as: UInt32.self),
      let bloomShift = bytes.number(start &+ 12, as: UInt32.self)
    else { return nil }
    self.start = start
    self.bucketCount = bucketCount
    self.symbolOffset = symbolOffset
    self.bloomSize = bloomSize
    self.bloomShift = bloomShift
  }

  var buckets: UInt64 { start &+ 16 &+ UInt64(bloomSize) &* 8 }

  func chain(_ index: UInt32) -> UInt64 { buckets &+ UInt64(bucketCount) &* 4 &+ UInt64(index &- symbolOffset) &* 4 }

  func mayContain(_ value: UInt32, _ bytes: FileBytes) -> Bool {
    guard bloomSize > 0, bloomShift < 32,
      let word = bytes.number(start &+ 16 &+ UInt64((value / 64) % bloomSize) &* 8, as: UInt64.self)
    else { return false }
    return word >> UInt64(value % 64) & word >> UInt64((value >> bloomShift) % 64) & 1 != 0
  }
}
