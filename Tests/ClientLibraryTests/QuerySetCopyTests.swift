import CWinsock
import QuerySets
import Testing
import Wire
import WireValues

/// Query sets on their way from a caller onto the wire, and records on their way into a caller's buffer.
@Suite struct QuerySetCopyTests {
  private static func record(comment: String? = "a comment, ü") throws -> [UInt8] {
    let address = ServiceAddress(
      local: SocketAddress(bytes: []), remote: try #require(SocketAddress(host: [192, 0, 2, 1], port: 7)), socketType: 1,
      protocolNumber: 6)
    let set = QuerySet(
      serviceInstanceName: "näme", serviceClassID: .hostName, comment: comment, nameSpace: .dns, context: "\\ctx",
      queryString: "q=1", addresses: [address, address], blob: [1, 2, 3])
    var frame = FrameWriter(0, request: 1)
    try frame.append(set)
    return Array(frame.finish().dropFirst(FrameHeader.size))
  }

  /// What a caller finds in its buffer.
  private static func written(_ record: [UInt8], _ form: TextForm, skew: Int) throws -> (
    size: Int, name: String, comment: String?, blob: [UInt8]
  ) {
    let size = try #require(QuerySetCopy.size(of: record, form, padding: (8 - skew) & 7))
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size + skew + 8, alignment: 8)
    defer { memory.deallocate() }
    let all = UnsafeMutableRawBufferPointer(start: memory, count: size + skew + 8)
    all.initializeMemory(as: UInt8.self, repeating: 0xAA)
    let target = memory + skew
    #expect(QuerySetCopy.write(record, form, to: target))
    #expect(
      all[..<skew].allSatisfy { $0 == 0xAA } && all[(size + skew)...].allSatisfy { $0 == 0xAA }, "nothing beside it is written")
    func text(_ field: Int) -> String? {
      guard let start = UnsafeRawPointer(target).loadUnaligned(fromByteOffset: field, as: UnsafeRawPointer?.self) else {
        return nil
      }
      #expect(start >= UnsafeRawPointer(target) && start < UnsafeRawPointer(target + size))
      return form == .wide
        ? String(decodingCString: start.assumingMemoryBound(to: UInt16.self), as: UTF16.self)
        : String(cString: start.assumingMemoryBound(to: CChar.self))
    }
    let blob = try #require(
      UnsafeRawPointer(target).loadUnaligned(fromByteOffset: SelfRelative.Field.blob, as: UnsafePointer<BLOB>?.self))
    return (
      size, try #require(text(SelfRelative.Field.name)), text(SelfRelative.Field.comment),
      Array(UnsafeBufferPointer(start: blob.pointee.pBlobData, count: Int(blob.pointee.cbSize)))
    )
  }

  @Test(
    "a record in a caller's buffer: whatever its form, and wherever it begins", arguments: [TextForm.wide, .narrow], [0, 1, 4, 7])
  func written(_ form: TextForm, _ skew: Int) throws {
    let found = try Self.written(Self.record(), form, skew: skew)
    #expect(found.name == "näme" && found.comment == "a comment, ü" && found.blob == [1, 2, 3])
    #expect(try Self.written(Self.record(comment: nil), form, skew: skew).comment == nil)
  }

  @Test("UTF-8 takes less room than UTF-16")
  func sizes() throws {
    let record = try Self.record()
    let wide = try #require(QuerySetCopy.size(of: record, .wide, padding: 0))
    let narrow = try #require(QuerySetCopy.size(of: record, .narrow, padding: 0))
    #expect(wide == record.count && narrow < wide)
  }

  @Test("a record that is cut off is refused", arguments: [TextForm.narrow])
  func truncated(_ form: TextForm) throws {
    let record = try Self.record()
    for count in stride(from: 0, to: record.count - 8, by: 3) {
      #expect(QuerySetCopy.size(of: Array(record[..<count]), form, padding: 0) == nil, "\(count) bytes")
    }
  }

  @Test("what a caller gives that can't be sent")
  func refused() {
    func append(_ change: (inout WSAQUERYSETW) -> Void) -> Int32 {
      var set = WSAQUERYSETW()
      set.dwSize = DWORD(MemoryLayout<WSAQUERYSETW>.size)
      change(&set)
      var frame = FrameWriter(0, request: 1)
      return QuerySetCopy.append(&set, .wide, for: .registration, to: &frame)
    }
    #expect(append { _ in } == 0)
    #expect(append { $0.dwSize -= 1 } == Int32(WSAEINVAL))
    #expect(append { $0.dwNumberOfProtocols = 1 } == Int32(WSAEINVAL))
    #expect(append { $0.dwNumberOfCsAddrs = 1 } == Int32(WSAEINVAL))
    var blob = BLOB(cbSize: 1, pBlobData: nil)
    withUnsafeMutablePointer(to: &blob) { blob in #expect(append { $0.lpBlob = blob } == Int32(WSAEINVAL)) }
  }
}
