import CWinsock

#if !hasFeature(Embedded) && canImport(Wire)
  import Wire
#endif

/// Query sets of callers onto the wire, and records from it into callers' buffers. The A and W structures have one layout and differ in
/// their texts alone, so both are read by offset.
enum QuerySetCopy {
  typealias Field = SelfRelative.Field

  /// What a caller's structure is for: a lookup ignores comment, addresses and output flags (nsp.md §8.2).
  enum Purpose {
    case lookup
    case registration
  }

  /// Appends a caller's structure to a request. Zero, or why it can't be asked.
  static func append(_ set: UnsafeRawPointer, _ form: TextForm, for purpose: Purpose, to frame: inout FrameWriter) -> Int32 {
    guard set.load(as: UInt32.self) >= UInt32(SelfRelative.headSize) else { return Int32(WSAEINVAL) }
    var writer = Writer(set, form, frame.reserve(SelfRelative.headSize))
    frame.set(UInt32(SelfRelative.headSize), at: writer.start)
    frame.set(set.load(fromByteOffset: Field.nameSpace, as: UInt32.self), at: writer.start + Field.nameSpace)
    if purpose == .registration {
      frame.set(set.load(fromByteOffset: Field.outputFlags, as: UInt32.self), at: writer.start + Field.outputFlags)
    }
    writer.text(Field.name, &frame)
    writer.fixed(Field.serviceClass, 16, &frame)
    writer.fixed(Field.version, 8, &frame)
    if purpose == .registration { writer.text(Field.comment, &frame) }
    writer.fixed(Field.provider, 16, &frame)
    writer.text(Field.context, &frame)
    writer.array(
      Field.protocols, Field.protocolCount, SelfRelative.protocolSize, limit: SelfRelative.maximumProtocols, &frame)
    writer.text(Field.queryString, &frame)
    if purpose == .registration { writer.addresses(&frame) }
    writer.blob(&frame)
    return writer.failure
  }

  private struct Writer {
    let set: UnsafeRawPointer
    let form: TextForm
    let start: Int
    var failure: Int32 = 0

    init(_ set: UnsafeRawPointer, _ form: TextForm, _ start: Int) { (self.set, self.form, self.start) = (set, form, start) }

    /// Where the next part begins, noted at a place in the frame.
    private func mark(_ place: Int, _ frame: inout FrameWriter) {
      frame.align()
      frame.set(UInt64(frame.count - start), at: start + place)
    }

    mutating func text(_ place: Int, _ frame: inout FrameWriter) {
      guard failure == 0, let text = set.pointer(at: place) else { return }
      guard let units = units(text, form, limit: SelfRelative.maximumText - 1) else {
        failure = Int32(WSAEINVAL)
        return
      }
      mark(place, &frame)
      units.withUnsafeBytes { frame.append($0) }
      frame.append(UInt16(0))
    }

    mutating func fixed(_ place: Int, _ size: Int, _ frame: inout FrameWriter) {
      guard failure == 0, let value = set.pointer(at: place) else { return }
      mark(place, &frame)
      frame.append(UnsafeRawBufferPointer(start: value, count: size))
    }

    mutating func array(_ place: Int, _ countPlace: Int, _ size: Int, limit: Int, _ frame: inout FrameWriter) {
      let count = Int(set.load(fromByteOffset: countPlace, as: UInt32.self))
      guard failure == 0, count > 0 else { return }
      guard let first = set.pointer(at: place), count <= limit else {
        failure = Int32(WSAEINVAL)
        return
      }
      mark(place, &frame)
      frame.set(UInt32(count), at: start + countPlace)
      frame.append(UnsafeRawBufferPointer(start: first, count: count * size))
    }

    mutating func addresses(_ frame: inout FrameWriter) {
      array(Field.addresses, Field.addressCount, SelfRelative.addressSize, limit: SelfRelative.maximumAddresses, &frame)
      let count = Int(set.load(fromByteOffset: Field.addressCount, as: UInt32.self))
      guard failure == 0, count > 0, let first = set.pointer(at: Field.addresses) else { return }
      let elements = frame.count - start - count * SelfRelative.addressSize
      for index in 0..<count {
        for side in SelfRelative.addressSides {
          let element = index * SelfRelative.addressSize + side
          let length = first.load(fromByteOffset: element + 8, as: Int32.self)
          let address = first.pointer(at: element)
          guard length >= 0, length <= Int32(SelfRelative.maximumSockaddr), length == 0 || address != nil else {
            failure = Int32(WSAEINVAL)
            return
          }
          guard length > 0, let address else {
            frame.set(UInt64(0), at: start + elements + element)
            continue
          }
          mark(elements + element, &frame)
          frame.append(UnsafeRawBufferPointer(start: address, count: Int(length)))
        }
      }
    }

    mutating func blob(_ frame: inout FrameWriter) {
      guard failure == 0, let blob = set.pointer(at: Field.blob) else { return }
      let size = Int(blob.load(as: UInt32.self))
      let data = blob.pointer(at: 8)
      guard size <= SelfRelative.maximumBlob, size == 0 || data != nil else {
        failure = Int32(WSAEINVAL)
        return
      }
      mark(Field.blob, &frame)
      let head = frame.count - start
      frame.append(UInt32(size))
      frame.append(UInt32(0))
      frame.append(UInt64(0))
      guard size > 0, let data else { return }
      mark(head + 8, &frame)
      frame.append(UnsafeRawBufferPointer(start: data, count: size))
    }
  }

  // MARK: Records

  /// The bytes that a record takes in a caller's buffer; nil for one that can't be read.
  /// - Parameter padding: Of that buffer.
  static func size(of record: [UInt8], _ form: TextForm, padding: Int) -> Int? {
    if form == .wide, padding == 0 { return record.count }
    return withResolved(record) { laid($0, form, into: nil, padding) }
  }

  /// Writes a record into a caller's buffer that is large enough. False for one that can't be read.
  static func write(_ record: [UInt8], _ form: TextForm, to target: UnsafeMutableRawPointer) -> Bool {
    let padding = CallerPacking.padding(of: target)
    // As it came: it is packed for this form, and for a buffer that begins as this one does.
    if form == .wide, padding == 0 {
      let buffer = UnsafeMutableRawBufferPointer(start: target, count: record.count)
      buffer.copyBytes(from: record)
      return SelfRelative.resolve(buffer)
    }
    return withResolved(record) { laid($0, form, into: target, padding) } != nil
  }

  private static func withResolved<Result>(_ record: [UInt8], _ body: (UnsafeRawPointer) -> Result) -> Result? {
    var copy = record
    return copy.withUnsafeMutableBytes { bytes in
      guard SelfRelative.resolve(bytes), let base = bytes.baseAddress else { return nil }
      return body(UnsafeRawPointer(base))
    }
  }

  /// A record packed anew: in the A form, whose texts have other lengths (nsp.md §9.3), or for a buffer with padding.
  private static func laid(
    _ source: UnsafeRawPointer, _ form: TextForm, into target: UnsafeMutableRawPointer?, _ padding: Int
  ) -> Int {
    var packing = CallerPacking(source, SelfRelative.headSize, form, into: target, padding: padding)
    func text(_ field: Int) { packing.text(source.pointer(at: field), at: packing.head(field)) }
    @discardableResult
    func copy(_ field: Int, _ size: Int) -> UnsafeMutableRawPointer? {
      packing.copy(source.pointer(at: field), size, at: packing.head(field))
    }
    text(Field.name)
    copy(Field.serviceClass, 16)
    copy(Field.version, 8)
    text(Field.comment)
    copy(Field.provider, 16)
    text(Field.context)
    copy(Field.protocols, Int(source.load(fromByteOffset: Field.protocolCount, as: UInt32.self)) * SelfRelative.protocolSize)
    text(Field.queryString)
    let count = Int(source.load(fromByteOffset: Field.addressCount, as: UInt32.self))
    let elements = copy(Field.addresses, count * SelfRelative.addressSize)
    if let first = source.pointer(at: Field.addresses) {
      for index in 0..<count {
        for side in SelfRelative.addressSides {
          let element = index * SelfRelative.addressSize + side
          guard let address = first.pointer(at: element) else { continue }
          let size = Int(first.load(fromByteOffset: element + 8, as: Int32.self))
          packing.place(size, at: elements.map { $0 + element })?.copyMemory(from: address, byteCount: size)
        }
      }
    }
    if let blob = source.pointer(at: Field.blob) {
      let size = Int(blob.load(as: UInt32.self))
      let head = copy(Field.blob, 16)
      packing.copy(blob.pointer(at: 8), size, at: head.map { $0 + 8 })
    }
    return packing.size
  }
}
