import CWinsock

/// Feeds bytes to the reader of packed query sets. The input is a packed buffer whose pointers were written as offsets: they are
/// turned into addresses first, so that the fuzzer gets behind the first check. What was read must pack and read back the same.
@c(LLVMFuzzerTestOneInput)
public func fuzzPackedQuerySet(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  guard let bytes, size > 1 else { return 0 }
  let isV1 = bytes[0] & 1 != 0
  let isRelocated = bytes[0] & 2 != 0
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size - 1, alignment: 8)
  defer { buffer.deallocate() }
  buffer.copyMemory(from: UnsafeRawBufferPointer(start: bytes + 1, count: size - 1))
  if isRelocated { relocate(buffer, isV1) }
  guard let view = read(buffer, isV1) else { return 0 }
  let value = QuerySet(view)
  let form: QuerySetForm = isV1 ? .v1 : .v2
  do throws(QuerySetError) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: try view.packedSize(as: form), alignment: 8)
    defer { copy.deallocate() }
    try view.pack(as: form, into: copy)
    guard let again = read(copy, isV1), QuerySet(again) == value else { fatalError("a packed query set reads differently") }
  } catch {
    fatalError("what was read can't be packed: \(error)")
  }
  return 0
}

private func read(_ buffer: UnsafeMutableRawBufferPointer, _ isV1: Bool) -> QuerySetView? {
  let memory = QuerySetView.Memory.packed(UnsafeRawBufferPointer(buffer))
  guard let base = buffer.baseAddress else { return nil }
  return isV1
    ? try? QuerySetView(reading: UnsafePointer(base.assumingMemoryBound(to: WSAQUERYSETW.self)), in: memory)
    : try? QuerySetView(reading: UnsafePointer(base.assumingMemoryBound(to: WSAQUERYSET2W.self)), in: memory)
}

/// Adds the buffer's address to every small number where a pointer is expected.
private func relocate(_ buffer: UnsafeMutableRawBufferPointer, _ isV1: Bool) {
  let base = UInt(bitPattern: buffer.baseAddress)
  for offset in stride(from: 8, to: buffer.count - 7, by: 8) {
    let word = buffer.load(fromByteOffset: offset, as: UInt.self)
    if word >= 112, word < UInt(buffer.count) { buffer.storeBytes(of: base + word, toByteOffset: offset, as: UInt.self) }
  }
}
