import CNSSModule

/// The memory that glibc gives for what a structure points to. It need not be aligned, and is asked for again, larger, where it is too small.
struct CallerBuffer {
  private var next: UnsafeMutableRawPointer
  private let end: UnsafeMutableRawPointer
  /// Something had no room.
  private(set) var isTooSmall = false

  init?(_ start: UnsafeMutablePointer<CChar>?, _ size: Int) {
    guard let start else { return nil }
    next = UnsafeMutableRawPointer(start)
    end = next + size
  }

  mutating func place(_ size: Int, alignment: Int = 1) -> UnsafeMutableRawPointer? {
    let start = next.alignedUp(toMultipleOf: alignment)
    guard !isTooSmall, start <= end, end - start >= size else {
      isTooSmall = true
      return nil
    }
    next = start + size
    return start
  }

  /// Text with its NUL.
  mutating func text(_ text: UnsafeRawBufferPointer) -> UnsafeMutablePointer<CChar>? {
    guard let target = place(text.count + 1) else { return nil }
    if let source = text.baseAddress { target.copyMemory(from: source, byteCount: text.count) }
    target.storeBytes(of: 0, toByteOffset: text.count, as: UInt8.self)
    return target.assumingMemoryBound(to: CChar.self)
  }

  /// A list of so many pointers, and the NULL behind them, all of them NULL yet.
  mutating func list(_ count: Int) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
    let alignment = MemoryLayout<UnsafeMutableRawPointer?>.alignment
    let list = place((count + 1) * MemoryLayout<UnsafeMutableRawPointer?>.stride, alignment: alignment)?
      .assumingMemoryBound(to: UnsafeMutablePointer<CChar>?.self)
    list?.initialize(repeating: nil, count: count + 1)
    return list
  }

  /// The names of an answer: the first one for itself, the others as a list.
  mutating func names(
    _ answer: HostAnswer
  ) -> (name: UnsafeMutablePointer<CChar>, aliases: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>)? {
    guard let aliases = list(answer.nameCount - 1) else { return nil }
    var (first, index) = (UnsafeMutablePointer<CChar>?.none, 0)
    var copy = self
    answer.forEachName { name in
      let text = copy.text(name)
      if index == 0 { first = text } else if !copy.isTooSmall { aliases[index - 1] = text }
      index += 1
    }
    self = copy
    guard let first, !isTooSmall else { return nil }
    return (first, aliases)
  }
}
