import CWinsock

extension QuerySet: QuerySetSource {
  /// What the host would refuse to read it also refuses to write.
  public func checkLimits() throws(QuerySetError) {
    if addresses.count > QuerySetLimits.addresses { throw .tooLong("lpcsaBuffer", QuerySetLimits.addresses) }
    if protocols.count > QuerySetLimits.protocols { throw .tooLong("lpafpProtocols", QuerySetLimits.protocols) }
    if let blob, blob.count > QuerySetLimits.blobBytes { throw .tooLong("lpBlob", QuerySetLimits.blobBytes) }
    for address in addresses {
      if max(address.local.bytes.count, address.remote.bytes.count) > QuerySetLimits.sockaddrBytes {
        throw .tooLong("lpSockaddr", QuerySetLimits.sockaddrBytes)
      }
    }
  }

  public var protocolCount: Int { protocols.count }
  public func protocolPair(at index: Int) -> ProtocolPair { protocols[index] }
  public var addressCount: Int { addresses.count }

  public func socketKind(at index: Int) -> (type: Int32, protocolNumber: Int32) {
    (addresses[index].socketType, addresses[index].protocolNumber)
  }

  public func unitCount(_ text: QuerySetText) throws(QuerySetError) -> Int? {
    guard let value = self[text] else { return nil }
    let count = value.utf16.count
    guard count < QuerySetLimits.textUnits else { throw .tooLong(text.member, QuerySetLimits.textUnits) }
    guard !value.utf8.contains(0) else { throw .malformedText(text.member) }
    return count
  }

  public func writeUnits(_ text: QuerySetText, to target: UnsafeMutablePointer<UInt16>) {
    guard let value = self[text] else { return }
    var next = target
    for unit in value.utf16 {
      next.pointee = unit
      next += 1
    }
  }

  public func sockaddrSize(at index: Int, _ side: AddressSide) -> Int { self[index, side].bytes.count }

  public func writeSockaddr(at index: Int, _ side: AddressSide, to target: UnsafeMutableRawPointer) {
    self[index, side].bytes.withUnsafeBytes { target.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }

  public var blobSize: Int? { blob?.count }

  public func writeBlob(to target: UnsafeMutableRawPointer) {
    blob?.withUnsafeBytes { target.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }

  private subscript(text: QuerySetText) -> String? {
    switch text {
    case .name: serviceInstanceName
    case .comment: comment
    case .context: context
    case .queryString: queryString
    }
  }

  private subscript(index: Int, side: AddressSide) -> SocketAddress {
    side == .local ? addresses[index].local : addresses[index].remote
  }
}
