import CWinsock

/// Service classes of callers onto the wire, and from it into callers' buffers. As with query sets, the A and W structures differ in their
/// texts alone; values are bytes in both.
enum ServiceClassCopy {
  typealias Field = SelfRelative.ClassField
  typealias ValueField = SelfRelative.ClassValueField

  /// Appends a caller's structure to a request. False for one that lacks something, or has more than any host takes (nsp.md §7.2).
  static func append(_ info: UnsafeRawPointer, _ form: TextForm, to frame: inout FrameWriter) -> Bool {
    let start = frame.reserve(SelfRelative.classHeadSize)
    func mark(_ place: Int, _ frame: inout FrameWriter) {
      frame.align()
      frame.set(UInt64(frame.count - start), at: start + place)
    }
    func text(_ pointer: UnsafeRawPointer?, _ place: Int, _ frame: inout FrameWriter) -> Bool {
      guard let pointer, let units = units(pointer, form, limit: SelfRelative.maximumText - 1) else { return false }
      mark(place, &frame)
      for unit in units { frame.append(unit) }
      frame.append(UInt16(0))
      return true
    }
    guard let id = info.pointer(at: Field.id) else { return false }
    mark(Field.id, &frame)
    frame.append(UnsafeRawBufferPointer(start: id, count: 16))
    guard text(info.pointer(at: Field.name), Field.name, &frame) else { return false }
    let count = Int(info.load(fromByteOffset: Field.count, as: UInt32.self))
    frame.set(UInt32(count), at: start + Field.count)
    guard count > 0 else { return true }
    guard count <= SelfRelative.maximumClassValues, let values = info.pointer(at: Field.values) else { return false }
    let heads = frame.reserve(count * SelfRelative.classValueSize)
    frame.set(UInt64(heads - start), at: start + Field.values)
    for index in 0..<count {
      let value = values + index * SelfRelative.classValueSize
      let head = heads + index * SelfRelative.classValueSize
      for field in [ValueField.nameSpace, ValueField.type, ValueField.size] {
        frame.set(value.load(fromByteOffset: field, as: UInt32.self), at: head + field)
      }
      guard text(value.pointer(at: ValueField.name), head - start + ValueField.name, &frame) else { return false }
      let size = Int(value.load(fromByteOffset: ValueField.size, as: UInt32.self))
      guard size > 0 else { continue }
      guard size <= SelfRelative.maximumBlob, frame.count <= 1 << 22, let bytes = value.pointer(at: ValueField.value) else {
        return false
      }
      mark(head - start + ValueField.value, &frame)
      frame.append(UnsafeRawBufferPointer(start: bytes, count: size))
    }
    return true
  }

  /// Writes a received class into a caller's buffer of a size, or measures it only: the bytes that it takes. Nil for one that can't
  /// be read.
  static func write(_ record: [UInt8], _ form: TextForm, to target: UnsafeMutableRawPointer?, _ size: Int) -> Int? {
    var copy = record
    let padding = CallerPacking.padding(of: target)
    return copy.withUnsafeMutableBytes { bytes in
      guard SelfRelative.resolveClass(bytes), let base = bytes.baseAddress else { return nil }
      let needed = laid(UnsafeRawPointer(base), form, nil, padding)
      if let target, needed <= size { _ = laid(UnsafeRawPointer(base), form, target, padding) }
      return needed
    }
  }

  /// The canonical packing, in either form.
  private static func laid(
    _ source: UnsafeRawPointer, _ form: TextForm, _ target: UnsafeMutableRawPointer?, _ padding: Int
  ) -> Int {
    var packing = CallerPacking(source, SelfRelative.classHeadSize, form, into: target, padding: padding)
    packing.copy(source.pointer(at: Field.id), 16, at: packing.head(Field.id))
    packing.text(source.pointer(at: Field.name), at: packing.head(Field.name))
    let count = Int(source.load(fromByteOffset: Field.count, as: UInt32.self))
    guard count > 0, let values = source.pointer(at: Field.values) else { return packing.size }
    let heads = packing.copy(values, count * SelfRelative.classValueSize, at: packing.head(Field.values))
    for index in 0..<count {
      let value = values + index * SelfRelative.classValueSize
      let head = heads.map { $0 + index * SelfRelative.classValueSize }
      packing.text(value.pointer(at: ValueField.name), at: head.map { $0 + ValueField.name })
      let size = Int(value.load(fromByteOffset: ValueField.size, as: UInt32.self))
      packing.copy(value.pointer(at: ValueField.value), size, at: head.map { $0 + ValueField.value })
    }
    return packing.size
  }
}
