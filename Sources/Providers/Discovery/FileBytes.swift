import Glibc

/// The bytes of a file, mapped read-only. Every access is checked: the file may hold anything.
///
/// A file that is cut short while it is mapped would raise SIGBUS; only files that root or the running user alone can write are
/// mapped, after their trust was judged on the same descriptor.
final class FileBytes: @unchecked Sendable {
  let raw: UnsafeRawBufferPointer

  init?(descriptor: Int32, size: Int) {
    guard size > 0, let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else { return nil }
    raw = UnsafeRawBufferPointer(start: start, count: size)
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: raw.baseAddress), raw.count) }

  func number<Number: FixedWidthInteger & BitwiseCopyable>(_ offset: UInt64, as type: Number.Type) -> Number? {
    guard offset <= UInt64(raw.count), UInt64(raw.count) - offset >= UInt64(MemoryLayout<Number>.size) else { return nil }
    return Number(littleEndian: raw.loadUnaligned(fromByteOffset: Int(offset), as: Number.self))
  }

  func slice(_ offset: UInt64, _ count: UInt64) -> UnsafeRawBufferPointer? {
    guard offset <= UInt64(raw.count), UInt64(raw.count) - offset >= count else { return nil }
    return UnsafeRawBufferPointer(rebasing: raw[Int(offset)..<Int(offset) + Int(count)])
  }

  /// The bytes up to a NUL that lies inside the file; nil when there is none.
  func text(_ offset: UInt64) -> UnsafeRawBufferPointer? {
    guard offset < UInt64(raw.count), let start = raw.baseAddress?.advanced(by: Int(offset)) else { return nil }
    let room = raw.count - Int(offset)
    guard let end = memchr(start, 0, room) else { return nil }
    return UnsafeRawBufferPointer(start: start, count: UnsafeRawPointer(end) - start)
  }
}
