/// What a process that serves a provider says to the host: fields in order, as docs/wire.md lists them.

public struct AdvertiseRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.advertise.rawValue }
  public var provider = WireID()
  public var entries: UInt32 = 0
  public var major: UInt32 = 0
  public var minor: UInt32 = 0
  public var traits: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&provider, "provider's id") && coder.field(&entries, "which routines it has, bit 0 the first")
      && coder.field(&major, "major version") && coder.field(&minor, "minor version") && coder.field(&traits, "traits")
  }
}

public struct UnadvertiseRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.unadvertise.rawValue }
  public var provider = WireID()
  public var isInside: UInt32 = 0
  public init() {}
  public init(provider: WireID, isInside: Bool) { (self.provider, self.isInside) = (provider, isInside ? 1 : 0) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&provider, "provider's id")
      && coder.field(&isInside, "1 when it is asked from inside one of its routines, else 0")
      && coder.gap()
  }
}

public struct CallCompletion: WireMessage {
  public static var kind: UInt16 { RequestKind.complete.rawValue }
  public var number: UInt64 = 0
  public init() {}
  public init(number: UInt64) { self.number = number }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&number, "number of the call") && coder.rest("outcome")
  }
}

public struct ChangeReport: WireMessage {
  public static var kind: UInt16 { RequestKind.changed.rawValue }
  public var provider = WireID()
  /// A `ChangeKind`.
  public var change: UInt32 = 0
  public var units: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&provider, "provider's id")
      && coder.field(&change, "0: a name, 1: everything, with the promise to say every change, 2: more than is said one by one")
      && coder.field(&units, "UTF-16 units of the name") && coder.rest("the name")
  }
}

public struct LogLine: WireMessage {
  public static var kind: UInt16 { RequestKind.log.rawValue }
  public var query: UInt64 = 0
  public var level: UInt32 = 0
  public init() {}
  public init(query: UInt64, level: UInt32) { (self.query, self.level) = (query, level) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&query, "query's id") && coder.field(&level, "level") && coder.rest("text in UTF-8")
  }
}

public struct WorkerNoteRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.note.rawValue }
  /// A `WorkerNoteKind`.
  public var about: UInt32 = 0
  public var number: UInt32 = 0
  public init() {}
  public init(about: WorkerNoteKind, number: UInt32 = 0) { (self.about, self.number) = (about.rawValue, number) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&about, "1: refused, 2: confinement, 40: the provider can answer nothing, 41: it can again")
      && coder.field(&number, "of 40 and 41 a number that grows, else 0") && coder.rest("lines of text")
  }
}
