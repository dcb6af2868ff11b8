/// What the host asks of a provider in another process (docs/wire.md). A channel carries one call at a time; each is answered in a frame of
/// the same kind with `RequestKind.answerBit` set, whose status is what the routine answered.
public enum ProviderCall: UInt16 {
  case startup = 0x40
  case cleanup = 0x41
  case begin = 0x42
  case next = 0x43
  case end = 0x44
  case setService = 0x45
  case rundown = 0x46
  case installClass = 0x47
  case removeClass = 0x48
  case classInfo = 0x49
  case ioctl = 0x4A
  /// On the connection that advertised: the descriptor of another channel comes with it.
  case channel = 0x4F
}

/// Sizes of what calls and answers begin with, counted from the start of the payload.
public enum ProviderCallSize {
  /// Of begin: session's argument (8), flags (4), how many records are taken ahead (4), the flags for those (4), room for
  /// each (4), number of the call (8), bytes of the class information, a multiple of 8 (4), whether a class is named (4), its id (16).
  /// Then the class information, then the query set.
  public static let begin = 56
  /// Of set service: session's argument (8), number of the call (8), operation (4), flags (4), bytes of the class
  /// information, a multiple of 8 (4), whether a class is named (4), its id (16). Then the class information, then the query set.
  public static let setService = 48
  /// Of the answer to begin: handle (8), how many outcomes follow (4), 0 (4).
  public static let beginAnswer = 16
  /// Of each outcome: status (4), bytes that were asked for (4), bytes of the record, a multiple of 8 (4), 0 (4). Then the record.
  public static let outcome = 16
}
