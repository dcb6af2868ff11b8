import CWinsock
import RandomSequences
import Testing

@testable import QuerySets

/// Service classes in memory.
@Suite struct ServiceClassTests {
  private static func random(_ generator: inout SplitMix) -> ServiceClass {
    func text() -> String {
      String((0..<Int.random(in: 0...20, using: &generator)).map { _ in "aZ0.é名😀".randomElement(using: &generator)! })
    }
    return ServiceClass(
      id: GUID(bytes: (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })!, name: text(),
      entries: (0..<Int.random(in: 0...6, using: &generator)).map { _ in
        let isNumber = Bool.random(using: &generator)
        return ServiceClass.Entry(
          name: text(), nameSpace: NameSpace(rawValue: UInt32.random(in: 0...40, using: &generator)),
          type: isNumber ? .dword : .init(rawValue: UInt32.random(in: 5...12, using: &generator)),
          value: (0..<(isNumber ? 4 : Int.random(in: 0...50, using: &generator))).map { _ in
            .random(in: 0...255, using: &generator)
          })
      })
  }

  private func read(_ buffer: UnsafeMutableRawBufferPointer) throws(QuerySetError) -> ServiceClass {
    let info = UnsafeRawPointer(buffer.baseAddress!).assumingMemoryBound(to: WSASERVICECLASSINFOW.self)
    return try ServiceClass(reading: info, in: .packed(UnsafeRawBufferPointer(buffer)))
  }

  @Test(
    "what is packed is read back the same, fills exactly what was measured, and writes nothing where there is too little room")
  func roundTrip() throws {
    var generator = SplitMix(state: 6)
    for round in 0..<2000 {
      let value = Self.random(&generator)
      let size = value.packedSize
      try withBuffer(size + 8, fill: 0xEE) { buffer in
        try value.pack(into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<size]))
        #expect(buffer[size...].allSatisfy { $0 == 0xEE }, "round \(round)")
        let again = try read(UnsafeMutableRawBufferPointer(rebasing: buffer[0..<size]))
        #expect(again == value, "round \(round)")
      }
      withBuffer(size, fill: 0xEE) { buffer in
        #expect(throws: QuerySetError.bufferTooSmall(needed: size)) {
          try value.pack(into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<size - 8]))
        }
        #expect(buffer.allSatisfy { $0 == 0xEE })
      }
    }
  }

  @Test("the parts lie in canonical order, each at a multiple of 8")
  func layout() throws {
    let value = ServiceClass(
      id: .zero, name: "abc", entries: [.init(name: "P", nameSpace: .dns, dword: 7), .init(name: "Q", nameSpace: .dns, dword: 8)])
    try withBuffer(value.packedSize) { buffer in
      try value.pack(into: buffer)
      func offset(_ pointer: UnsafeRawPointer?) -> Int { pointer.map { $0 - UnsafeRawPointer(buffer.baseAddress!) } ?? -1 }
      let info = buffer.baseAddress!.assumingMemoryBound(to: WSASERVICECLASSINFOW.self).pointee
      #expect(offset(info.lpServiceClassId) == 32 && offset(info.lpszServiceClassName) == 48 && offset(info.lpClassInfos) == 56)
      let values = UnsafeBufferPointer(start: info.lpClassInfos, count: Int(info.dwCount))
      #expect(values.map { offset($0.lpszName) } == [120, 136] && values.map { offset($0.lpValue) } == [128, 144])
      #expect(buffer.count == 152)
    }
  }

  @Test("NSP-117 NSP-118 what a class needs must be there, and nothing more is looked at")
  func demands() throws {
    var id = GUID.zero
    var name: [UInt16] = [0x61, 0]
    var number: UInt32 = 7
    func read(_ change: (inout WSASERVICECLASSINFOW, inout WSANSCLASSINFOW) -> Void) throws(QuerySetError) -> ServiceClass {
      var info = WSASERVICECLASSINFOW()
      var value = WSANSCLASSINFOW()
      return try withUnsafeMutablePointer(to: &id) { id throws(QuerySetError) in
        try withUnsafeMutablePointer(to: &number) { number throws(QuerySetError) in
          do {
            return try name.withUnsafeMutableBufferPointer { name in
              value = WSANSCLASSINFOW(
                lpszName: name.baseAddress, dwNameSpace: 12, dwValueType: 4, dwValueSize: 4,
                lpValue: UnsafeMutableRawPointer(number))
              info = WSASERVICECLASSINFOW(
                lpServiceClassId: id, lpszServiceClassName: name.baseAddress, dwCount: 1, lpClassInfos: nil)
              change(&info, &value)
              return try withUnsafeMutablePointer(to: &value) { value in
                if info.dwCount == 1 { info.lpClassInfos = value }
                return try ServiceClass(reading: &info, in: .foreign(block: nil))
              }
            }
          } catch { throw error as! QuerySetError }
        }
      }
    }
    #expect(try read { _, _ in }.entries == [.init(name: "a", nameSpace: .dns, dword: 7)])
    #expect(try read { info, _ in info.dwCount = 0 }.entries.isEmpty)
    #expect(throws: QuerySetError.missing("lpServiceClassId")) { try read { info, _ in info.lpServiceClassId = nil } }
    #expect(throws: QuerySetError.missing("lpszServiceClassName")) { try read { info, _ in info.lpszServiceClassName = nil } }
    #expect(throws: QuerySetError.missing("lpClassInfos")) { try read { info, _ in info.dwCount = 2 } }
    #expect(throws: QuerySetError.missing("lpszName")) { try read { _, value in value.lpszName = nil } }
    #expect(throws: QuerySetError.missing("lpValue")) { try read { _, value in value.lpValue = nil } }
    #expect(throws: QuerySetError.wrongValueSize("lpValue")) { try read { _, value in value.dwValueSize = 2 } }
    #expect(throws: QuerySetError.tooLong("lpValue", 1 << 19)) {
      try read { _, value in (value.dwValueType, value.dwValueSize) = (3, .max) }
    }
    #expect(try read { _, value in (value.dwValueType, value.dwValueSize, value.lpValue) = (3, 0, nil) }.entries[0].value == [])
  }

  @Test("100,000 random changes are refused or read within bounds")
  func damage() throws {
    var generator = SplitMix(state: 7)
    for _ in 0..<1000 {
      let value = Self.random(&generator)
      try withBuffer(value.packedSize) { buffer in
        try value.pack(into: buffer)
        let original = Array(buffer)
        for _ in 0..<100 {
          let place = Int.random(in: 0..<buffer.count, using: &generator)
          buffer[place] = .random(in: 0...255, using: &generator)
          if let read = try? read(buffer) { #expect((try? read.check()) != nil || read.packedSize > QuerySetLimits.classBytes) }
          if Bool.random(using: &generator) { buffer.copyBytes(from: original) }
        }
      }
    }
  }
}
