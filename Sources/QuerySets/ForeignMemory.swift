import CWinsock

/// Reads what a stranger's pointers lead to, or says which member is wrong. Nothing here traps, whatever the bytes are.
struct ForeignMemory {
  private let bounds: UnsafeRawBufferPointer?
  /// Whether pointers that lead outside the bounds are allowed.
  private let isOpen: Bool

  init(_ memory: QuerySetView.Memory) {
    switch memory {
    case .packed(let buffer):
      bounds = buffer
      isOpen = false
    case .foreign(let block):
      bounds = block
      isOpen = true
    }
  }

  func structure<Structure: BitwiseCopyable>(_ pointer: UnsafePointer<Structure>) throws(QuerySetError) -> Structure {
    try check(pointer, size: MemoryLayout<Structure>.size, alignment: MemoryLayout<Structure>.alignment, "the query set")
    return pointer.pointee
  }

  func value<Value: BitwiseCopyable>(_ pointer: UnsafeMutablePointer<Value>?, _ member: String) throws(QuerySetError) -> Value? {
    guard let pointer else { return nil }
    try check(pointer, size: MemoryLayout<Value>.size, alignment: MemoryLayout<Value>.alignment, member)
    return pointer.pointee
  }

  func version(_ pointer: UnsafeMutablePointer<WSAVERSION>?) throws(QuerySetError) -> ServiceVersion? {
    guard let pointer else { return nil }
    // Read as numbers: an enum of C may hold any value.
    try check(pointer, size: 8, alignment: 4, "lpVersion")
    let number = UnsafeRawPointer(pointer).load(as: UInt32.self)
    let comparator = UnsafeRawPointer(pointer).load(fromByteOffset: 4, as: UInt32.self)
    return ServiceVersion(number: number, comparator: ServiceVersion.Comparator(rawValue: comparator) ?? .equal)
  }

  /// Text up to its NUL, without it: well-formed UTF-16.
  func text(_ pointer: UnsafeMutablePointer<UInt16>?, _ member: String) throws(QuerySetError) -> UnsafeBufferPointer<UInt16>? {
    guard let pointer else { return nil }
    try check(pointer, size: 2, alignment: 2, member)
    let room = unitsLeft(from: pointer)
    var count = 0
    while true {
      guard count < room else { throw .unterminatedText(member) }
      guard count < QuerySetLimits.textUnits else { throw .tooLong(member, QuerySetLimits.textUnits) }
      let unit = pointer[count]
      if unit == 0 { break }
      if unit & 0xF800 == 0xD800 {
        // A high surrogate, then a low one, or it is malformed.
        guard unit & 0x0400 == 0, count + 1 < room, pointer[count + 1] & 0xFC00 == 0xDC00 else {
          throw .malformedText(member)
        }
        count += 1
      }
      count += 1
    }
    return UnsafeBufferPointer(start: pointer, count: count)
  }

  func array<Element>(
    _ pointer: UnsafeMutablePointer<Element>?, _ count: UInt32, limit: Int, _ member: String
  ) throws(QuerySetError) -> UnsafeBufferPointer<Element> {
    guard count > 0 else { return UnsafeBufferPointer(start: nil, count: 0) }
    guard count <= limit else { throw .tooLong(member, limit) }
    guard let pointer else { throw .missing(member) }
    try check(pointer, size: Int(count) * MemoryLayout<Element>.stride, alignment: MemoryLayout<Element>.alignment, member)
    return UnsafeBufferPointer(start: pointer, count: Int(count))
  }

  func addresses(_ pointer: UnsafeMutablePointer<CSADDR_INFO>?, _ count: UInt32) throws(QuerySetError) -> UnsafeBufferPointer<
    CSADDR_INFO
  > {
    let addresses = try array(pointer, count, limit: QuerySetLimits.addresses, "lpcsaBuffer")
    for address in addresses {
      try sockaddr(address.LocalAddr)
      try sockaddr(address.RemoteAddr)
    }
    return addresses
  }

  /// Bytes of any alignment; none where the size is 0, wherever the pointer leads then.
  func bytes(_ pointer: UnsafeMutableRawPointer?, _ size: UInt32, limit: Int, _ member: String) throws(QuerySetError)
    -> UnsafeRawBufferPointer
  {
    guard size > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    guard size <= limit else { throw .tooLong(member, limit) }
    guard let pointer else { throw .missing(member) }
    try check(pointer, size: Int(size), alignment: 1, member)
    return UnsafeRawBufferPointer(start: pointer, count: Int(size))
  }

  func blob(_ pointer: UnsafeMutablePointer<BLOB>?) throws(QuerySetError) -> UnsafeRawBufferPointer? {
    guard let blob = try value(pointer, "lpBlob") else { return nil }
    return try bytes(blob.pBlobData, blob.cbSize, limit: QuerySetLimits.blobBytes, "pBlobData")
  }

  private func sockaddr(_ address: SOCKET_ADDRESS) throws(QuerySetError) {
    guard address.iSockaddrLength >= 0 else { throw .tooLong("iSockaddrLength", QuerySetLimits.sockaddrBytes) }
    guard address.iSockaddrLength <= QuerySetLimits.sockaddrBytes else {
      throw .tooLong("lpSockaddr", QuerySetLimits.sockaddrBytes)
    }
    guard let start = address.lpSockaddr, address.iSockaddrLength > 0 else { return }
    // Opaque bytes: providers in the field lay them out without alignment (nsp.md §15, 12).
    try check(start, size: Int(address.iSockaddrLength), alignment: 1, "lpSockaddr")
  }

  /// Whether `size` bytes at a pointer may be read as something of this alignment.
  private func check(_ pointer: UnsafeRawPointer, size: Int, alignment: Int, _ member: String) throws(QuerySetError) {
    let start = UInt(bitPattern: pointer)
    guard start & UInt(alignment - 1) == 0 else { throw .misaligned(member) }
    let (end, overflows) = start.addingReportingOverflow(UInt(size))
    guard !overflows else { throw .pointerOutside(member) }
    guard let bounds else { return }
    let first = UInt(bitPattern: bounds.baseAddress)
    let last = first + UInt(bounds.count)
    if start >= first, start < last {
      guard end <= last else { throw .pointerOutside(member) }
    } else if !isOpen {
      throw .pointerOutside(member)
    }
  }

  private func unitsLeft(from pointer: UnsafeMutablePointer<UInt16>) -> Int {
    guard let bounds else { return .max }
    let start = UInt(bitPattern: pointer)
    let first = UInt(bitPattern: bounds.baseAddress)
    let last = first + UInt(bounds.count)
    return start >= first && start < last ? Int((last - start) / 2) : .max
  }
}
