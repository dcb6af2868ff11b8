import CWinsock

/// A kind of service: its id, what people call it, and its values, each of which is about one name space
/// (`WSASERVICECLASSINFO`, nsp.md §7.1).
public struct ServiceClass: Hashable, Sendable {
  /// One named, typed value. Names are compared without regard to the case of ASCII letters.
  public struct Entry: Hashable, Sendable {
    public var name: String
    public var nameSpace: NameSpace
    public var type: ValueType
    /// As the type has it in memory; texts are UTF-16 with their NUL.
    public var value: [UInt8]

    public init(name: String, nameSpace: NameSpace, type: ValueType, value: [UInt8]) {
      (self.name, self.nameSpace, self.type, self.value) = (name, nameSpace, type, value)
    }

    public init(name: String, nameSpace: NameSpace, dword: UInt32) {
      self.init(name: name, nameSpace: nameSpace, type: .dword, value: withUnsafeBytes(of: dword) { Array($0) })
    }
  }

  /// The type of a value (`REG_DWORD` and its kin). Any number is legal; what is not named here is opaque.
  public struct ValueType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let none = ValueType(rawValue: 0)
    public static let string = ValueType(rawValue: 1)
    public static let expandString = ValueType(rawValue: 2)
    public static let binary = ValueType(rawValue: 3)
    public static let dword = ValueType(rawValue: 4)
    public static let strings = ValueType(rawValue: 7)
    public static let qword = ValueType(rawValue: 11)
  }

  public var id: GUID
  /// Need not be unique.
  public var name: String
  public var entries: [Entry]

  public init(id: GUID, name: String, entries: [Entry] = []) { (self.id, self.name, self.entries) = (id, name, entries) }
}

// MARK: In memory

extension ServiceClass {
  /// Checks a structure and copies everything out of it (nsp.md §7.2): whatever the bytes are, nothing traps.
  public init(reading info: UnsafePointer<WSASERVICECLASSINFOW>, in memory: QuerySetView.Memory) throws(QuerySetError) {
    var reader = ForeignMemory(memory)
    let raw = try reader.structure(info, "the class")
    guard let id = try reader.value(raw.lpServiceClassId, "lpServiceClassId") else { throw .missing("lpServiceClassId") }
    guard let name = try reader.text(raw.lpszServiceClassName, "lpszServiceClassName") else {
      throw .missing("lpszServiceClassName")
    }
    self.init(id: id, name: String(decoding: name, as: UTF16.self))
    var size = 0
    for entry in try reader.array(raw.lpClassInfos, raw.dwCount, limit: QuerySetLimits.classEntries, "lpClassInfos") {
      guard let name = try reader.text(entry.lpszName, "lpszName") else { throw .missing("lpszName") }
      let value = try reader.bytes(entry.lpValue, entry.dwValueSize, limit: QuerySetLimits.classBytes, "lpValue")
      let type = ValueType(rawValue: entry.dwValueType)
      guard type != .dword || value.count == 4 else { throw .wrongValueSize("lpValue") }
      // What points to the same bytes again and again takes them again and again.
      size += name.count * 2 + value.count
      guard size <= QuerySetLimits.classBytes else { throw .tooLong("the class", QuerySetLimits.classBytes) }
      entries.append(
        Entry(
          name: String(decoding: name, as: UTF16.self), nameSpace: NameSpace(rawValue: entry.dwNameSpace), type: type,
          value: Array(value)))
    }
  }

  /// Throws where it is nothing that could be read back.
  public func check() throws(QuerySetError) {
    for text in [name] + entries.map(\.name) {
      guard !text.utf8.contains(0) else { throw .malformedText("lpszName") }
      guard text.utf16.count < QuerySetLimits.textUnits else { throw .tooLong("lpszName", QuerySetLimits.textUnits) }
    }
    guard entries.count <= QuerySetLimits.classEntries else { throw .tooLong("lpClassInfos", QuerySetLimits.classEntries) }
    guard entries.allSatisfy({ $0.type != .dword || $0.value.count == 4 }) else { throw .wrongValueSize("lpValue") }
    guard packedSize <= QuerySetLimits.classBytes else { throw .tooLong("the class", QuerySetLimits.classBytes) }
  }

  /// The bytes that the canonical packing takes (nsp.md §9.3).
  public var packedSize: Int {
    var packing = Packing(base: nil, used: MemoryLayout<WSASERVICECLASSINFOW>.size)
    return lay(out: &packing)
  }

  /// Packs into a caller's buffer, which must be aligned to 8: the structure first, every pointer leading into the buffer. When it is
  /// too small, nothing is written and the error says how many bytes are needed (nsp.md §9.2).
  public func pack(into buffer: UnsafeMutableRawBufferPointer) throws(QuerySetError) {
    let needed = packedSize
    guard let base = buffer.baseAddress, buffer.count >= needed else { throw .bufferTooSmall(needed: needed) }
    guard Int(bitPattern: base) & 7 == 0 else { throw .misaligned("the caller's buffer") }
    base.initializeMemory(as: UInt8.self, repeating: 0, count: needed)
    var packing = Packing(base: base, used: MemoryLayout<WSASERVICECLASSINFOW>.size)
    lay(out: &packing)
  }

  /// One walk over the parts in canonical order, for measuring and for writing alike.
  @discardableResult
  private func lay(out packing: inout Packing) -> Int {
    let id = packing.value(id)
    let name = packing.text(name)
    let infos = entries.isEmpty ? nil : packing.place(entries.count * MemoryLayout<WSANSCLASSINFOW>.stride)
    packing.base?.assumingMemoryBound(to: WSASERVICECLASSINFOW.self).pointee = WSASERVICECLASSINFOW(
      lpServiceClassId: id, lpszServiceClassName: name, dwCount: UInt32(entries.count),
      lpClassInfos: infos?.assumingMemoryBound(to: WSANSCLASSINFOW.self))
    for (index, entry) in entries.enumerated() {
      let name = packing.text(entry.name)
      let value = entry.value.isEmpty ? nil : packing.place(entry.value.count)
      if let value { entry.value.withUnsafeBytes { value.copyMemory(from: $0.baseAddress!, byteCount: $0.count) } }
      infos?.assumingMemoryBound(to: WSANSCLASSINFOW.self)[index] = WSANSCLASSINFOW(
        lpszName: name, dwNameSpace: entry.nameSpace.rawValue, dwValueType: entry.type.rawValue,
        dwValueSize: UInt32(entry.value.count), lpValue: value)
    }
    return packing.rounded
  }

  /// Lends the packed structure for the duration of a call.
  public func withPacked<Result>(_ body: (UnsafeMutablePointer<WSASERVICECLASSINFOW>) -> Result) -> Result {
    withUnsafeTemporaryAllocation(byteCount: packedSize, alignment: 8) { buffer in
      // The buffer has the size that was asked for, and the alignment.
      try! pack(into: buffer)
      return body(buffer.baseAddress!.assumingMemoryBound(to: WSASERVICECLASSINFOW.self))
    }
  }
}
