/// Why a query set could not be packed or read. Its description reads what: why: what to do.
public enum QuerySetError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The caller's buffer must have this many bytes; nothing was written.
  case bufferTooSmall(needed: Int)
  case structureTooSmall(UInt32)
  case malformedText(String)
  case unterminatedText(String)
  case tooLong(String, Int)
  case pointerOutside(String)
  /// The address where nothing can be read.
  case unreadable(String, at: UInt)
  case misaligned(String)
  case missing(String)
  /// The value of a class that has another size than its type demands.
  case wrongValueSize(String)

  public var winsockError: WinsockError {
    if case .bufferTooSmall = self { .fault } else { .invalidArgument }
  }

  public var description: String {
    switch self {
    case .bufferTooSmall(let needed): "query set: the buffer is too small: give it \(needed) bytes"
    case .structureTooSmall(let size): "query set: dwSize \(size) is smaller than the structure: set it to the structure's size"
    case .malformedText(let member): "\(member): not valid UTF-16, or a NUL inside: pass well-formed text"
    case .unterminatedText(let member): "\(member): no terminating NUL within its memory: terminate it"
    case .tooLong(let member, let limit): "\(member): more than \(limit): pass less"
    case .pointerOutside(let member):
      "\(member): leads outside its memory, or past the end of it: pass a pointer into it, with room for all of it"
    case .unreadable(let member, let address):
      "\(member): nothing can be read at 0x\(String(address, radix: 16)): pass a pointer to memory of the process, or NULL"
    case .misaligned(let member): "\(member): not aligned: align it as its type demands"
    case .missing(let member): "\(member): NULL, or NULL with a count or size above 0: set it"
    case .wrongValueSize(let member): "\(member): not the size of its type: a REG_DWORD has 4 bytes"
    }
  }
}

/// What the host accepts at most, from anybody (nsp.md §9.4).
public enum QuerySetLimits {
  public static let addresses = 4096
  public static let protocols = 4096
  public static let sockaddrBytes = 4096
  public static let blobBytes = 1 << 20
  public static let textUnits = 32 * 1024
  /// Values of one service class, and what it takes as a whole.
  public static let classEntries = 4096
  public static let classBytes = 1 << 19
}
