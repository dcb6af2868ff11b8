import CWinsock
import QuerySets
import Testing

@testable import Wire

/// Service classes on the wire.
@Suite struct SelfRelativeClassTests {
  private static let full = ServiceClass(
    id: GUID(Data1: 1, Data2: 2, Data3: 3, Data4: (4, 5, 6, 7, 8, 9, 10, 11)), name: "Zähler",
    entries: [
      .init(name: "TcpPort", nameSpace: .dns, dword: 7), .init(name: "", nameSpace: .all, type: .binary, value: [1, 2, 3]),
      .init(name: "None", nameSpace: .email, type: .none, value: []),
    ])

  private func relative(_ value: ServiceClass) throws -> [UInt64] {
    var words = [UInt64](repeating: 0, count: value.packedSize / 8)
    try words.withUnsafeMutableBytes { bytes in
      try value.pack(into: bytes)
      SelfRelative.makeClassRelative(bytes)
    }
    return words
  }

  private func resolved(_ words: inout [UInt64], count: Int? = nil) -> ServiceClass? {
    words.withUnsafeMutableBytes { all in
      let bytes = UnsafeMutableRawBufferPointer(rebasing: all[..<(count ?? all.count)])
      guard SelfRelative.resolveClass(bytes) else { return nil }
      let info = UnsafeRawPointer(bytes.baseAddress!).assumingMemoryBound(to: WSASERVICECLASSINFOW.self)
      return try? ServiceClass(reading: info, in: .packed(UnsafeRawBufferPointer(bytes)))
    }
  }

  @Test("the offsets are those of the structures")
  func layout() {
    typealias Field = SelfRelative.ClassField
    typealias Value = SelfRelative.ClassValueField
    #expect(MemoryLayout<WSASERVICECLASSINFOW>.size == SelfRelative.classHeadSize)
    #expect(MemoryLayout<WSANSCLASSINFOW>.stride == SelfRelative.classValueSize)
    #expect(MemoryLayout<WSASERVICECLASSINFOW>.offset(of: \.lpServiceClassId) == Field.id)
    #expect(MemoryLayout<WSASERVICECLASSINFOW>.offset(of: \.lpszServiceClassName) == Field.name)
    #expect(MemoryLayout<WSASERVICECLASSINFOW>.offset(of: \.dwCount) == Field.count)
    #expect(MemoryLayout<WSASERVICECLASSINFOW>.offset(of: \.lpClassInfos) == Field.values)
    #expect(MemoryLayout<WSANSCLASSINFOW>.offset(of: \.lpszName) == Value.name)
    #expect(MemoryLayout<WSANSCLASSINFOW>.offset(of: \.dwNameSpace) == Value.nameSpace)
    #expect(MemoryLayout<WSANSCLASSINFOW>.offset(of: \.dwValueType) == Value.type)
    #expect(MemoryLayout<WSANSCLASSINFOW>.offset(of: \.dwValueSize) == Value.size)
    #expect(MemoryLayout<WSANSCLASSINFOW>.offset(of: \.lpValue) == Value.value)
  }

  @Test("what is packed, made relative, moved and resolved is what it was")
  func roundTrip() throws {
    for value in [Self.full, ServiceClass(id: .zero, name: "")] {
      var words = try relative(value)
      var moved = words
      #expect(resolved(&words) == value && resolved(&moved) == value)
    }
  }

  @Test("cut short at any length, or with any byte changed, it is refused or reads within bounds")
  func damage() throws {
    let whole = try relative(Self.full)
    for count in 0..<whole.count * 8 {
      var words = whole
      #expect(resolved(&words, count: count) == nil || count > whole.count * 8 - 8)
    }
    for place in 0..<whole.count * 8 {
      for value: UInt8 in [0, 1, 7, 8, 0x7F, 0x80, 0xFF] {
        var words = whole
        words.withUnsafeMutableBytes { $0[place] = value }
        if let read = resolved(&words) { #expect((try? read.check()) != nil) }
      }
    }
  }

  @Test("an id or a name that is missing, and parts out of order, are refused")
  func order() throws {
    for place in [0, 8] {
      var words = try relative(Self.full)
      words[place / 8] = 0
      #expect(resolved(&words) == nil)
    }
    var words = try relative(Self.full)
    words[1] = words[0]
    #expect(resolved(&words) == nil)
    words = try relative(Self.full)
    // The second value's name before the first one's.
    let values = Int(words[3]) / 8
    words.swapAt(values, values + 4)
    #expect(resolved(&words) == nil)
  }
}
