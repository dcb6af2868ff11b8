/// A structure laid into a caller's buffer in the canonical packing (nsp.md §9.3): its head first, then each part at a multiple of 8, in
/// the order in which the parts are copied. Without a buffer it is measured only, by the same steps.
///
/// The head is where the caller's pointer leads. In a buffer that begins at no multiple of 8 the parts begin at the next address that is
/// one, and the bytes between count as used (§9.2).
struct CallerPacking {
  private let target: UnsafeMutableRawPointer?
  private let form: TextForm
  /// Without the padding.
  private var used: Int
  private let padding: Int

  /// - Parameters:
  ///   - head: The resolved structure, of which the first `size` bytes are copied.
  ///   - target: The caller's buffer, large enough for the whole (measured before); nil to measure.
  ///   - padding: Of the buffer that it is for.
  init(_ head: UnsafeRawPointer, _ size: Int, _ form: TextForm, into target: UnsafeMutableRawPointer?, padding: Int) {
    (self.target, self.form, used, self.padding) = (target, form, size, padding)
    target?.copyMemory(from: head, byteCount: size)
  }

  /// How many bytes a buffer has in front of its first address that is a multiple of 8. None where there is no buffer.
  static func padding(of buffer: UnsafeMutableRawPointer?) -> Int { Int(bitPattern: (0 &- UInt(bitPattern: buffer)) & 7) }

  /// The bytes that all of it takes so far.
  var size: Int { (used + 7) & ~7 + padding }

  /// A field of the head, in the caller's buffer.
  func head(_ field: Int) -> UnsafeMutableRawPointer? { target.map { $0 + field } }

  /// Takes room for a part, and stores its address in the field that names it.
  mutating func place(_ bytes: Int, at field: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let offset = size
    used = offset - padding + bytes
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
