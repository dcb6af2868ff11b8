import Glibc

/// The bytes of a file, read as far as they are asked for. Every access is checked: the file may hold anything.
///
/// The tables that matter lie in the first pages of most files, so those are read at once, and the rest only when something
/// asks for it. What was read is a copy: a file that changes meanwhile changes nothing here.
final class FileBytes: @unchecked Sendable {
  // Unchecked: one scan uses it on one thread, and an image that leaves the scan lets go of it.
  let count: Int
  private let descriptor: Int32
  private var loaded: UnsafeMutableRawBufferPointer
  /// Kept until the end: slices of it may be in use.
  private var firstPart: UnsafeMutableRawBufferPointer?

  private var isMapped = false

  private static let firstRead = 16 * 1024
  /// More than any table of sections, or of their names, has.
  private static let mostCopied: UInt64 = 4 << 20

  /// - Parameter descriptor: Stays open as long as the bytes are asked for; not closed here.
  init?(descriptor: Int32, size: Int) {
    guard size > 0 else { return nil }
    count = size
    self.descriptor = descriptor
    loaded = .allocate(byteCount: min(size, Self.firstRead), alignment: 16)
    guard Self.read(descriptor, into: loaded) else {
      loaded.deallocate()
      return nil
    }
  }

  /// The whole file, mapped: for libraries of the system, which are large and asked for a few symbols each.
  init?(mapping descriptor: Int32, size: Int) {
    guard size > 0, let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else { return nil }
    count = size
    self.descriptor = descriptor
    loaded = UnsafeMutableRawBufferPointer(start: start, count: size)
    isMapped = true
  }

  deinit {
    if isMapped { munmap(loaded.baseAddress, loaded.count) } else { loaded.deallocate() }
    firstPart?.deallocate()
  }

  func number<Number: FixedWidthInteger & BitwiseCopyable>(_ offset: UInt64, as type: Number.Type) -> Number? {
    guard has(offset, UInt64(MemoryLayout<Number>.size)) else { return nil }
    return Number(littleEndian: loaded.loadUnaligned(fromByteOffset: Int(offset), as: Number.self))
  }

  func slice(_ offset: UInt64, _ size: UInt64) -> UnsafeRawBufferPointer? {
    guard has(offset, size) else { return nil }
    return UnsafeRawBufferPointer(rebasing: loaded[Int(offset)..<Int(offset) + Int(size)])
  }

  /// A few bytes from anywhere in the file, without reading the rest of it.
  func copy(_ offset: UInt64, _ size: UInt64) -> [UInt8]? {
    guard contains(offset, size), size <= Self.mostCopied else { return nil }
    if offset + size <= UInt64(loaded.count) { return Array(loaded[Int(offset)..<Int(offset) + Int(size)]) }
    var isRead = true
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, have in
      isRead = Self.read(descriptor, into: UnsafeMutableRawBufferPointer(buffer), from: Int(offset))
      have = isRead ? Int(size) : 0
    }
    return isRead ? bytes : nil
  }

  /// Whether a range lies inside the file; reads nothing.
  func contains(_ offset: UInt64, _ size: UInt64) -> Bool {
    offset <= UInt64(count) && UInt64(count) - offset >= size
  }

  /// The bytes up to a NUL that lies inside the file; nil when there is none.
  func text(_ offset: UInt64) -> UnsafeRawBufferPointer? {
    guard has(offset, 1) else { return nil }
    if let end = nul(from: Int(offset)) { return UnsafeRawBufferPointer(rebasing: loaded[Int(offset)..<end]) }
    guard loaded.count < count, loadAll(), let end = nul(from: Int(offset)) else { return nil }
    return UnsafeRawBufferPointer(rebasing: loaded[Int(offset)..<end])
  }

  private func nul(from offset: Int) -> Int? {
    guard let base = loaded.baseAddress, let found = memchr(base + offset, 0, loaded.count - offset) else { return nil }
    return found - base
  }

  /// Whether the bytes of a range are there, having read them if need be.
  private func has(_ offset: UInt64, _ size: UInt64) -> Bool {
    guard contains(offset, size) else { return false }
    return offset + size <= UInt64(loaded.count) || loadAll()
  }

  private func loadAll() -> Bool {
    let all = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    guard Self.read(descriptor, into: all) else {
      all.deallocate()
      return false
    }
    firstPart = loaded
    loaded = all
    return true
  }

  private static func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, from offset: Int = 0) -> Bool {
    var done = 0
    while done < buffer.count {
      let got = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, offset + done)
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { return false }
      done += got
    }
    return true
  }
}
