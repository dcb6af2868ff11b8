import CModuleABI
import Glibc
import QuerySets

/// What a module has left in memory: its answer in the caller's buffer, and whatever its pointers lead to.
///
/// A module should point into the buffer alone; some point at texts of their own. Addresses are numbers here, and nothing traps, wherever
/// they lead.
struct ModuleMemory {
  /// A list that goes on has no end.
  private static let mostEntries = 4096
  private static let longestText = 1024

  private let buffer: UnsafeRawBufferPointer

  init(_ buffer: UnsafeRawBufferPointer) { self.buffer = buffer }

  // MARK: Answers

  func host(_ host: hostent, timeToLive: Int32) throws(Shortfall) -> FoundHost {
    let length = Int(host.h_length)
    switch (host.h_addrtype, length) {
    case (AF_INET, 4), (AF_INET6, 16): break
    default: throw .rubbish("addresses of \(length) bytes and of family \(host.h_addrtype)")
    }
    var addresses: [SocketAddress] = []
    for entry in try list(at: UInt(bitPattern: host.h_addr_list), "addresses") {
      guard let bytes = Region(of: entry, buffer).bytes(count: length), let address = SocketAddress(host: bytes) else {
        throw .rubbish("an address that leads nowhere")
      }
      addresses.append(address)
    }
    return FoundHost(
      name: try name(at: UInt(bitPattern: host.h_name), "host"), aliases: try names(at: UInt(bitPattern: host.h_aliases)),
      addresses: addresses.withoutRepetition(), timeToLive: UInt32(exactly: timeToLive))
  }

  /// Linked addresses, the first of which has the name.
  func host(_ first: UnsafeMutablePointer<gaih_addrtuple>?, timeToLive: Int32) throws(Shortfall) -> FoundHost {
    var host = FoundHost(name: "", timeToLive: UInt32(exactly: timeToLive))
    var next = UInt(bitPattern: first)
    var entries = 0
    while next != 0 {
      entries += 1
      guard entries <= Self.mostEntries else { throw .rubbish("a list of addresses that has no end") }
      guard let tuple = Region(of: next, buffer).load(gaih_addrtuple.self) else {
        throw .rubbish("an address that leads nowhere")
      }
      if host.name.isEmpty, tuple.name != nil { host.name = try name(at: UInt(bitPattern: tuple.name), "host") }
      if let address = socketAddress(tuple) { host.addresses.append(address) }
      next = UInt(bitPattern: tuple.next)
    }
    guard entries > 0 else { throw .rubbish("no addresses") }
    host.addresses = host.addresses.withoutRepetition()
    return host
  }

  func service(_ service: servent) throws(Shortfall) -> FoundService {
    guard let port = UInt16(exactly: service.s_port) else { throw .rubbish("port \(service.s_port)") }
    return FoundService(
      name: try name(at: UInt(bitPattern: service.s_name), "service"),
      aliases: try names(at: UInt(bitPattern: service.s_aliases)),
      port: UInt16(bigEndian: port), protocolName: try name(at: UInt(bitPattern: service.s_proto), "protocol"))
  }

  /// Nil for a family that is neither IPv4 nor IPv6: those are passed over.
  private func socketAddress(_ tuple: gaih_addrtuple) -> SocketAddress? {
    withUnsafeBytes(of: tuple.addr) { bytes in
      switch tuple.family {
      case AF_INET: SocketAddress(host: bytes.prefix(4))
      case AF_INET6: SocketAddress(host: bytes, scope: tuple.scopeid)
      default: nil
      }
    }
  }

  // MARK: Parts

  /// The addresses up to the NULL that ends a list; none for a list that is not there.
  private func list(at start: UInt, _ what: String) throws(Shortfall) -> [UInt] {
    guard start != 0 else { return [] }
    let region = Region(of: start, buffer)
    var entries: [UInt] = []
    while true {
      guard let entry = region.load(UInt.self, at: entries.count * MemoryLayout<UInt>.stride) else {
        throw .rubbish("a list of \(what) that leads nowhere")
      }
      if entry == 0 { return entries }
      guard entries.count < Self.mostEntries else { throw .rubbish("a list of \(what) that has no end") }
      entries.append(entry)
    }
  }

  private func names(at start: UInt) throws(Shortfall) -> [String] {
    var names: [String] = []
    for entry in try list(at: start, "aliases") { names.append(try name(at: entry, "alias")) }
    return names
  }

  private func name(at address: UInt, _ what: String) throws(Shortfall) -> String {
    guard let bytes = Region(of: address, buffer).text(most: Self.longestText), !bytes.isEmpty,
      let name = String(validating: bytes, as: UTF8.self)
    else { throw .rubbish("the name of the \(what) is no text") }
    return name
  }
}

/// The memory that a pointer leads to. What begins in the buffer ends in it; elsewhere the kernel knows what is there.
private struct Region {
  private static let pageSize: UInt = 4096

  private let start: UInt
  /// The rest of the buffer from there.
  private let rest: UnsafeRawBufferPointer?

  init(of start: UInt, _ buffer: UnsafeRawBufferPointer) {
    self.start = start
    let first = UInt(bitPattern: buffer.baseAddress)
    let isInside = start >= first && start - first < UInt(buffer.count)
    rest = isInside ? UnsafeRawBufferPointer(rebasing: buffer[Int(start - first)...]) : nil
  }

  func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int = 0) -> Value? {
    bytes(at: offset, count: MemoryLayout<Value>.size)?.withUnsafeBytes { $0.loadUnaligned(as: type) }
  }

  /// Bytes up to their NUL, which comes soon.
  func text(most: Int) -> [UInt8]? {
    if let rest {
      let text = rest.prefix(most + 1)
      return text.firstIndex(of: 0).map { Array(text[..<$0]) }
    }
    var text: [UInt8] = []
    while text.count <= most {
      // No piece crosses into another page, which need not be there.
      let piece = min(64, Self.pageSize - (start &+ UInt(text.count)) % Self.pageSize)
      guard let bytes = bytes(at: text.count, count: Int(piece)) else { return nil }
      if let end = bytes.firstIndex(of: 0) {
        text += bytes[..<end]
        return text.count <= most ? text : nil
      }
      text += bytes
    }
    return nil
  }

  func bytes(at offset: Int = 0, count: Int) -> [UInt8]? {
    if let rest { return offset + count <= rest.count ? Array(rest[offset..<offset + count]) : nil }
    let (address, overflows) = start.addingReportingOverflow(UInt(offset))
    guard !overflows, let pointer = UnsafeRawPointer(bitPattern: address) else { return nil }
    var copy = [UInt8](repeating: 0, count: count)
    // Copied by the kernel, which looks whether something is there.
    let status = copy.withUnsafeMutableBytes { nsp_copy_memory($0.baseAddress, pointer, count) }
    return status == 0 ? copy : nil
  }
}
