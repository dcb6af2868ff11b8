import CWinsock

/// Feeds bytes to both readers of the wire: as a frame's payload to the host's, as a record to the client library's. What the host
/// takes must be readable as a query set; what the client takes must fit into the buffer that it asked for.
@c(LLVMFuzzerTestOneInput)
public func fuzzWire(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  guard let bytes, size > 0 else { return 0 }
  let input = UnsafeRawBufferPointer(start: bytes, count: size)
  if let header = FrameHeader(input) { _ = header.isAcceptable(maximum: UInt32(size)) }
  var fields = FieldReader(input)
  while let count = fields.uint16(), fields.bytes(Int(count) & 63) != nil, fields.align() {}

  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
  defer { buffer.deallocate() }
  buffer.copyMemory(from: input)
  if SelfRelative.resolve(buffer) {
    let set = UnsafeRawPointer(buffer.baseAddress!).assumingMemoryBound(to: WSAQUERYSETW.self)
    if let view = try? QuerySetView(reading: set, in: .packed(UnsafeRawBufferPointer(buffer))) { _ = QuerySet(view) }
  }

  let record = Array(input)
  for form in [TextForm.wide, .narrow] {
    // Into a buffer that begins anywhere.
    for padding in [0, 7] {
      guard let needed = QuerySetCopy.size(of: record, form, padding: padding) else { continue }
      let skew = (8 - padding) & 7
      let target = UnsafeMutableRawPointer.allocate(byteCount: needed + skew, alignment: 8)
      defer { target.deallocate() }
      _ = QuerySetCopy.write(record, form, to: target + skew)
    }
  }
  return 0
}
