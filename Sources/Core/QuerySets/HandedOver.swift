import CWinsock

/// Reads what code of providers hands to the host by a pointer, outside a query set. Nothing here traps, wherever the pointer leads; each error
/// names the parameter or member that it was given.
public enum HandedOver {
  /// A value of any alignment.
  public static func value<Value: BitwiseCopyable>(
    _ pointer: UnsafePointer<Value>, _ name: String
  ) throws(QuerySetError) -> Value {
    try check(pointer, MemoryLayout<Value>.size, name)
    return UnsafeRawPointer(pointer).loadUnaligned(as: Value.self)
  }

  /// UTF-8 up to its NUL; what is malformed is replaced, what is behind the limit is cut off.
  public static func text(_ pointer: UnsafePointer<CChar>, limit: Int, _ name: String) throws(QuerySetError) -> String {
    var memory = ForeignMemory(.foreign(block: nil))
    return String(decoding: try memory.bytes(endingAtNULOf: pointer, limit: limit, name), as: UTF8.self)
  }

  /// Well-formed UTF-16 up to its NUL, of less than `limit` units.
  public static func text(_ pointer: UnsafePointer<UInt16>, limit: Int, _ name: String) throws(QuerySetError) -> String {
    var memory = ForeignMemory(.foreign(block: nil))
    return String(decoding: try memory.text(pointer, name, limit: limit) ?? .init(start: nil, count: 0), as: UTF16.self)
  }

  /// Whether so many bytes can be read there.
  public static func check(_ pointer: UnsafeRawPointer, _ size: Int, _ name: String) throws(QuerySetError) {
    var memory = ForeignMemory(.foreign(block: nil))
    _ = try memory.bytes(UnsafeMutableRawPointer(mutating: pointer), UInt32(size), limit: size, name)
  }
}
