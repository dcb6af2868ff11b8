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
  /// An end that is not answered: the answer to what follows it says that it has returned.
  case endUnanswered = 0x4B
  /// Answered, and no more.
  case nothing = 0x4C
  /// On the connection that advertised: the descriptor of another channel comes with it.
  case channel = 0x4F
}

/// What a note of a worker is about.
public enum WorkerNoteKind: UInt32 {
  /// The kind of reason (`Refusal.Reason`), why its file can't be used, and what to do: a line each.
  case refusal = 1
  /// How it is confined: lines.
  case confinement = 2
  /// Why its provider can answer nothing: a line.
  case failing = 40
  /// Its provider can answer again.
  case answering = 41
}
