import CWinsock

/// Feeds bytes to every reader of a service class: as a packed structure whose pointers were written as offsets, as a provider's answer,
/// and as a frame of the wire, to the host and to the client library. What was read must pack and read back the same, and what a client
/// takes must fit into the buffer that it asked for.
@c(LLVMFuzzerTestOneInput)
public func fuzzServiceClass(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  guard let bytes, size > 1 else { return 0 }
  let input = UnsafeRawBufferPointer(start: bytes + 1, count: size - 1)
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count, alignment: 8)
  defer { buffer.deallocate() }
  buffer.copyMemory(from: input)
  if bytes[0] & 1 != 0 {
    relocate(buffer)
    if let value = read(buffer) { check(value) }
    return 0
  }
  if SelfRelative.resolveClass(buffer) {
    if let value = read(buffer) { check(value) }
    SelfRelative.makeClassRelative(buffer)
    guard SelfRelative.resolveClass(buffer) else { fatalError("a class that was read can't be read again") }
  }
  let record = Array(input)
  for form in [TextForm.wide, .narrow] {
    guard let needed = ServiceClassCopy.write(record, form, to: nil, 0) else { continue }
    let target = UnsafeMutableRawPointer.allocate(byteCount: needed, alignment: 8)
    defer { target.deallocate() }
    guard ServiceClassCopy.write(record, form, to: target, needed) == needed else { fatalError("a class has two sizes") }
    // As a caller that installs what it was given.
    var frame = FrameWriter(15, request: 1)
    _ = ServiceClassCopy.append(UnsafeRawPointer(target), form, to: &frame)
  }
  return 0
}

private func read(_ buffer: UnsafeMutableRawBufferPointer) -> ServiceClass? {
  guard let base = buffer.baseAddress else { return nil }
  let info = UnsafeRawPointer(base).assumingMemoryBound(to: WSASERVICECLASSINFOW.self)
  return try? ServiceClass(reading: info, in: .packed(UnsafeRawBufferPointer(buffer)))
}

private func check(_ value: ServiceClass) {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: value.packedSize, alignment: 8)
  defer { copy.deallocate() }
  guard (try? value.pack(into: copy)) != nil else { fatalError("what was read can't be packed") }
  guard let again = read(copy), again == value else { fatalError("a packed class reads differently") }
}

/// Adds the buffer's address to every small number where a pointer is expected.
private func relocate(_ buffer: UnsafeMutableRawBufferPointer) {
  let base = UInt(bitPattern: buffer.baseAddress)
  for offset in stride(from: 0, to: buffer.count - 7, by: 8) where offset != 16 {
    let word = buffer.load(fromByteOffset: offset, as: UInt.self)
    if word >= 32, word < UInt(buffer.count) { buffer.storeBytes(of: base + word, toByteOffset: offset, as: UInt.self) }
  }
}
