import CWinsock

/// A cursor that gives each part the next multiple of 8; without a base it only measures.
struct Packing {
  let base: UnsafeMutableRawPointer?
  var used: Int

  var rounded: Int { (used + 7) & ~7 }

  mutating func place(_ size: Int) -> UnsafeMutableRawPointer? {
    let offset = rounded
    used = offset + size
    return base?.advanced(by: offset)
  }

  mutating func value<Value: BitwiseCopyable>(_ value: Value) -> UnsafeMutablePointer<Value>? {
    let target = place(MemoryLayout<Value>.size)?.assumingMemoryBound(to: Value.self)
    target?.pointee = value
    return target
  }

  /// Text with its NUL.
  mutating func text(_ text: String) -> UnsafeMutablePointer<UInt16>? {
    let target = place((text.utf16.count + 1) * 2)?.assumingMemoryBound(to: UInt16.self)
    guard var next = target else { return nil }
    for unit in text.utf16 {
      next.pointee = unit
      next += 1
    }
    next.pointee = 0
    return target
  }

  mutating func text(_ source: some QuerySetSource, _ text: QuerySetText) throws(QuerySetError) -> UnsafeMutablePointer<UInt16>? {
    guard let count = try source.unitCount(text) else { return nil }
    guard let target = place((count + 1) * 2)?.assumingMemoryBound(to: UInt16.self) else { return nil }
    source.writeUnits(text, to: target)
    target[count] = 0
    return target
  }

  mutating func sockaddr(_ source: some QuerySetSource, _ index: Int, _ side: AddressSide) -> SOCKET_ADDRESS {
    let size = source.sockaddrSize(at: index, side)
    guard size > 0 else { return SOCKET_ADDRESS(lpSockaddr: nil, iSockaddrLength: 0) }
    let target = place(size)
    if let target { source.writeSockaddr(at: index, side, to: target) }
    return SOCKET_ADDRESS(lpSockaddr: target?.assumingMemoryBound(to: SOCKADDR.self), iSockaddrLength: Int32(size))
  }
}
