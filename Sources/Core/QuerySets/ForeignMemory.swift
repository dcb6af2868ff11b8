import CReadableMemory
import CWinsock

/// Reads what a stranger's pointers lead to, or says which member is wrong. Nothing here traps, whatever the bytes are: a page outside the
/// bounds is read when the system has said that it can be.
struct ForeignMemory {
  private let bounds: UnsafeRawBufferPointer?
  private let outside: Outside
  /// Pages outside the bounds that can be read: what a record leads to is often together.
  private var known: (UInt, UInt) = (0, 0)

  /// What is known of memory outside the bounds.
  private enum Outside {
    case forbidden
    case unknown
    case readable
  }

  private static let pageMask = UInt(NSP_PAGE_BYTES - 1)

  init(_ memory: QuerySetView.Memory) {
    switch memory {
    case .packed(let buffer): (bounds, outside) = (buffer, .forbidden)
    case .foreign(let block): (bounds, outside) = (block, .unknown)
    case .own: (bounds, outside) = (nil, .readable)
    }
  }

  mutating func structure<Structure: BitwiseCopyable>(
    _ pointer: UnsafePointer<Structure>, _ member: String = "the query set"
  ) throws(QuerySetError) -> Structure {
    try check(pointer, size: MemoryLayout<Structure>.size, alignment: MemoryLayout<Structure>.alignment, member)
    return pointer.pointee
  }

  mutating func value<Value: BitwiseCopyable>(
    _ pointer: UnsafeMutablePointer<Value>?, _ member: String
  ) throws(QuerySetError) -> Value? {
    guard let pointer else { return nil }
    return try structure(pointer, member)
  }

  mutating func version(_ pointer: UnsafeMutablePointer<WSAVERSION>?) throws(QuerySetError) -> ServiceVersion? {
    guard let pointer else { return nil }
    // Read as numbers: an enum of C may hold any value.
    try check(pointer, size: 8, alignment: 4, "lpVersion")
    let number = UnsafeRawPointer(pointer).load(as: UInt32.self)
    let comparator = UnsafeRawPointer(pointer).load(fromByteOffset: 4, as: UInt32.self)
    return ServiceVersion(number: number, comparator: ServiceVersion.Comparator(rawValue: comparator) ?? .equal)
  }

  /// Text up to its NUL, without it: well-formed UTF-16.
  mutating func text(
    _ pointer: UnsafePointer<UInt16>?, _ member: String, limit: Int = QuerySetLimits.textUnits
  ) throws(QuerySetError) -> UnsafeBufferPointer<UInt16>? {
    guard let pointer else { return nil }
    try check(pointer, size: 2, alignment: 2, member)
    var (room, count) = (0, 0)
    while true {
      if count == room { room = try extend(room, from: pointer, stride: 2, member) }
      guard count < limit else { throw .tooLong(member, limit) }
      let unit = pointer[count]
      if unit == 0 { break }
      count += 1
      guard unit & 0xF800 == 0xD800 else { continue }
      // A high surrogate, then a low one, or it is malformed.
      guard unit & 0x0400 == 0 else { throw .malformedText(member) }
      if count == room { room = try extend(room, from: pointer, stride: 2, member) }
      guard pointer[count] & 0xFC00 == 0xDC00 else { throw .malformedText(member) }
      count += 1
    }
    return UnsafeBufferPointer(start: pointer, count: count)
  }

  /// Bytes up to a NUL, without it, or up to a limit.
  mutating func bytes(
    endingAtNULOf pointer: UnsafePointer<CChar>, limit: Int, _ member: String
  ) throws(QuerySetError) -> UnsafeRawBufferPointer {
    try check(pointer, size: 1, alignment: 1, member)
    var (room, count) = (0, 0)
    while count < limit {
      if count == room { room = try extend(room, from: pointer, stride: 1, member) }
      if pointer[count] == 0 { break }
      count += 1
    }
    return UnsafeRawBufferPointer(start: pointer, count: count)
  }

  mutating func array<Element>(
    _ pointer: UnsafeMutablePointer<Element>?, _ count: UInt32, limit: Int, _ member: String
  ) throws(QuerySetError) -> UnsafeBufferPointer<Element> {
    guard count > 0 else { return UnsafeBufferPointer(start: nil, count: 0) }
    guard count <= limit else { throw .tooLong(member, limit) }
    guard let pointer else { throw .missing(member) }
    try check(pointer, size: Int(count) * MemoryLayout<Element>.stride, alignment: MemoryLayout<Element>.alignment, member)
    return UnsafeBufferPointer(start: pointer, count: Int(count))
  }

  mutating func addresses(
    _ pointer: UnsafeMutablePointer<CSADDR_INFO>?, _ count: UInt32
  ) throws(QuerySetError) -> UnsafeBufferPointer<CSADDR_INFO> {
    let addresses = try array(pointer, count, limit: QuerySetLimits.addresses, "lpcsaBuffer")
    for address in addresses {
      try sockaddr(address.LocalAddr)
      try sockaddr(address.RemoteAddr)
    }
    return addresses
  }

  /// Bytes of any alignment; none where the size is 0, wherever the pointer leads then.
  mutating func bytes(
    _ pointer: UnsafeMutableRawPointer?, _ size: UInt32, limit: Int, _ member: String
  ) throws(QuerySetError) -> UnsafeRawBufferPointer {
    guard size > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    guard size <= limit else { throw .tooLong(member, limit) }
    guard let pointer else { throw .missing(member) }
    try check(pointer, size: Int(size), alignment: 1, member)
    return UnsafeRawBufferPointer(start: pointer, count: Int(size))
  }

  mutating func blob(_ pointer: UnsafeMutablePointer<BLOB>?) throws(QuerySetError) -> UnsafeRawBufferPointer? {
    guard let blob = try value(pointer, "lpBlob") else { return nil }
    return try bytes(blob.pBlobData, blob.cbSize, limit: QuerySetLimits.blobBytes, "pBlobData")
  }

  private mutating func sockaddr(_ address: SOCKET_ADDRESS) throws(QuerySetError) {
    guard address.iSockaddrLength >= 0 else { throw .tooLong("iSockaddrLength", QuerySetLimits.sockaddrBytes) }
    guard address.iSockaddrLength <= QuerySetLimits.sockaddrBytes else {
      throw .tooLong("lpSockaddr", QuerySetLimits.sockaddrBytes)
    }
    guard let start = address.lpSockaddr, address.iSockaddrLength > 0 else { return }
    // Opaque bytes: providers in the field lay them out without alignment (nsp.md §15, 12).
    try check(start, size: Int(address.iSockaddrLength), alignment: 1, "lpSockaddr")
  }

  // MARK: What can be read

  /// Whether `size` bytes at a pointer may be read as something of this alignment.
  private mutating func check(_ pointer: UnsafeRawPointer, size: Int, alignment: Int, _ member: String) throws(QuerySetError) {
    let start = UInt(bitPattern: pointer)
    guard start & UInt(alignment - 1) == 0 else { throw .misaligned(member) }
    let (end, overflows) = start.addingReportingOverflow(UInt(size))
    guard !overflows else { throw .pointerOutside(member) }
    if let last = lastOfBounds(around: start) {
      guard end <= last else { throw .pointerOutside(member) }
      return
    }
    switch outside {
    case .forbidden: throw .pointerOutside(member)
    case .readable: return
    case .unknown:
      // The last pages of the address space are nobody's: it ends before them.
      var page = start & ~Self.pageMask
      while page < end {
        guard isReadable(page) else { throw .unreadable(member, at: start) }
        page &+= Self.pageMask + 1
      }
    }
  }

  /// How many units of a text may be read, more than those that may be already.
  private mutating func extend(
    _ room: Int, from pointer: UnsafeRawPointer, stride: Int, _ member: String
  ) throws(QuerySetError) -> Int {
    let start = UInt(bitPattern: pointer)
    if let last = lastOfBounds(around: start) {
      guard room == 0 else { throw .unterminatedText(member) }
      return Int(last - start) / stride
    }
    if outside == .readable { return .max }
    // No unit lies across two pages: they are aligned.
    let next = start + UInt(room * stride)
    guard isReadable(next & ~Self.pageMask) else { throw .unterminatedText(member) }
    return Int((next | Self.pageMask) - start + 1) / stride
  }

  /// Where the bounds end, for an address within them.
  private func lastOfBounds(around start: UInt) -> UInt? {
    guard let bounds else { return nil }
    let first = UInt(bitPattern: bounds.baseAddress)
    let last = first + UInt(bounds.count)
    return start >= first && start < last ? last : nil
  }

  private mutating func isReadable(_ page: UInt) -> Bool {
    if page != 0, page == known.0 || page == known.1 { return true }
    guard nsp_is_readable(UnsafeRawPointer(bitPattern: page)) != 0 else { return false }
    known = (page, known.0)
    return true
  }
}
