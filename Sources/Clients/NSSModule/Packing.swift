import CNSSModule

// Answers as the structures of glibc, laid into the caller's buffer.

/// Fills a `hostent` with the addresses of one family.
func pack(
  _ answer: HostAnswer, _ family: Int32, _ result: UnsafeMutablePointer<hostent>, _ buffer: inout CallerBuffer
) -> Status {
  let size = family == AF_INET ? 4 : 16
  let count = (0..<answer.addressCount).count { answer.address($0).family == family }
  guard count > 0 else { return Status(.code(Code.noData), packed: .success) }
  guard let list = buffer.list(count), let bytes = buffer.place(count * size, alignment: 4), let names = buffer.names(answer)
  else {
    return .bufferTooSmall
  }
  var next = 0
  for index in 0..<answer.addressCount {
    let address = answer.address(index)
    guard address.family == family, let source = address.bytes.baseAddress else { continue }
    let target = bytes + next * size
    target.copyMemory(from: source, byteCount: size)
    list[next] = target.assumingMemoryBound(to: CChar.self)
    next += 1
  }
  result.pointee.h_name = names.name
  result.pointee.h_aliases = names.aliases
  result.pointee.h_addrtype = family
  result.pointee.h_length = Int32(size)
  result.pointee.h_addr_list = list
  return .success
}

/// A list of addresses of all families. The first one is the caller's where it gives one.
func pack(
  _ answer: HostAnswer, _ list: UnsafeMutablePointer<UnsafeMutablePointer<gaih_addrtuple>?>, _ buffer: inout CallerBuffer
) -> Status {
  guard answer.addressCount > 0 else { return Status(.code(Code.noData), packed: .success) }
  let layout = MemoryLayout<gaih_addrtuple>.self
  let given = list.pointee
  let needed = answer.addressCount - (given == nil ? 0 : 1)
  guard let tuples = buffer.place(needed * layout.stride, alignment: layout.alignment), let names = buffer.names(answer) else {
    return .bufferTooSmall
  }
  let own = tuples.assumingMemoryBound(to: gaih_addrtuple.self)
  func tuple(_ index: Int) -> UnsafeMutablePointer<gaih_addrtuple> {
    guard let given else { return own + index }
    return index == 0 ? given : own + (index - 1)
  }
  for index in 0..<answer.addressCount {
    let address = answer.address(index)
    var new = gaih_addrtuple()
    new.name = names.name
    new.family = address.family
    new.scopeid = address.scope
    withUnsafeMutableBytes(of: &new.addr) { $0.copyMemory(from: address.bytes) }
    new.next = index + 1 < answer.addressCount ? tuple(index + 1) : nil
    tuple(index).initialize(to: new)
  }
  if given == nil { list.pointee = own }
  return .success
}

/// The names of an address, and the address that was asked for.
func pack(
  _ answer: HostAnswer, named address: UnsafeRawBufferPointer, _ family: Int32, _ result: UnsafeMutablePointer<hostent>,
  _ buffer: inout CallerBuffer
) -> Status {
  guard let list = buffer.list(1), let bytes = buffer.place(address.count, alignment: 4), let names = buffer.names(answer) else {
    return .bufferTooSmall
  }
  bytes.copyMemory(from: address.baseAddress!, byteCount: address.count)
  list[0] = bytes.assumingMemoryBound(to: CChar.self)
  result.pointee.h_name = names.name
  result.pointee.h_aliases = names.aliases
  result.pointee.h_addrtype = family
  result.pointee.h_length = Int32(address.count)
  result.pointee.h_addr_list = list
  return .success
}

/// Protocols that have ports, as /etc/protocols calls them.
private func protocolName(_ number: UInt16) -> StaticString? {
  switch Int32(number) {
  case Int32(IPPROTO_TCP): "tcp"
  case Int32(IPPROTO_UDP): "udp"
  case Int32(IPPROTO_DCCP): "dccp"
  case Int32(IPPROTO_SCTP): "sctp"
  case Int32(IPPROTO_UDPLITE): "udplite"
  default: nil
  }
}

/// A service, with the protocol that was asked for, or its own.
func pack(
  _ answer: HostAnswer, _ proto: UnsafeRawBufferPointer, _ result: UnsafeMutablePointer<servent>, _ buffer: inout CallerBuffer
) -> Status {
  guard answer.port != 0 else { return .notFound }
  let known = protocolName(answer.protocolNumber)
  guard known != nil || !proto.isEmpty else { return .notFound }
  let name =
    proto.isEmpty ? known.map { UnsafeRawBufferPointer(start: $0.utf8Start, count: $0.utf8CodeUnitCount) } ?? proto : proto
  guard let names = buffer.names(answer), let text = buffer.text(name) else { return .bufferTooSmall }
  result.pointee.s_name = names.name
  result.pointee.s_aliases = names.aliases
  result.pointee.s_port = Int32(answer.port.bigEndian)
  result.pointee.s_proto = text
  return .success
}
