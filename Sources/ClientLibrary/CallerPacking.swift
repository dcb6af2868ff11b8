/// A structure laid into a caller's buffer in the canonical packing (nsp.md §9.3): its head first, then each part at a multiple of 8, in
/// the order in which the parts are copied. Without a buffer it is measured only, by the same steps.
struct CallerPacking {
  private let target: UnsafeMutableRawPointer?
  private let form: TextForm
  private var used: Int

  /// - Parameters:
  ///   - head: The resolved structure, of which the first `size` bytes are copied.
  ///   - target: The caller's buffer, large enough for the whole (measured before); nil to measure.
  init(_ head: UnsafeRawPointer, _ size: Int, _ form: TextForm, into target: UnsafeMutableRawPointer?) {
    (self.target, self.form, used) = (target, form, size)
    target?.copyMemory(from: head, byteCount: size)
  }

  /// The bytes that all of it takes so far.
  var size: Int { (used + 7) & ~7 }

  /// A field of the head, in the caller's buffer.
  func head(_ field: Int) -> UnsafeMutableRawPointer? { target.map { $0 + field } }

  /// Takes room for a part, and stores its address in the field that names it.
  mutating func place(_ bytes: Int, at field: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let offset = size
    used = offset + bytes
    guard let target else { return nil }
    field?.storeBytes(of: target + offset, as: UnsafeMutableRawPointer?.self)
    return target + offset
  }

  /// Copies a part, where there is one. The copy is the caller's buffer's.
  @discardableResult
  mutating func copy(_ part: UnsafeRawPointer?, _ bytes: Int, at field: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let part, bytes > 0 else { return nil }
    let room = place(bytes, at: field)
    room?.copyMemory(from: part, byteCount: bytes)
    return room
  }

  /// Copies a text of UTF-16 that ends with a NUL, in the caller's form.
  mutating func text(_ text: UnsafeRawPointer?, at field: UnsafeMutableRawPointer?) {
    guard let text = text?.assumingMemoryBound(to: UInt16.self) else { return }
    switch form {
    case .wide:
      var count = 1
      while text[count - 1] != 0 { count += 1 }
      copy(text, count * 2, at: field)
    case .narrow:
      let room = place(narrow(text, into: nil), at: field)
      if let room { _ = narrow(text, into: room.assumingMemoryBound(to: UInt8.self)) }
    }
  }
}

extension UnsafeRawPointer {
  /// The pointer that stands in a field of a caller's structure, or of a resolved one.
  func pointer(at field: Int) -> UnsafeRawPointer? { load(fromByteOffset: field, as: UnsafeRawPointer?.self) }
}
