import CWinsock

extension NSPV2_ROUTINE {
  /// A copy of a program's table: entries that do not lie wholly inside its `cbSize` are NULL. Nil where the table may not be so small
  /// (nsp.md §5.1).
  init?(copying table: LPCNSPV2_ROUTINE) {
    let size = Int(table.pointee.cbSize)
    guard size >= Self.leastSize else { return nil }
    self.init()
    withUnsafeMutableBytes(of: &self) { target in
      target.copyMemory(from: UnsafeRawBufferPointer(start: table, count: min(size, target.count) & ~7))
    }
  }

  /// The offset of NSPv2SetServiceEx, the first routine that a table may do without.
  private static var leastSize: Int { 56 }

  /// Whether it has what every provider must have.
  var isComplete: Bool {
    NSPv2LookupServiceBegin != nil && NSPv2LookupServiceNextEx != nil && NSPv2LookupServiceEnd != nil
  }
}
