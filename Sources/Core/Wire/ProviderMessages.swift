/// The calls that the host makes at a provider in another process, and their answers: fields in order, as docs/wire.md lists them.

public struct StartupCall: WireMessage {
  public static var kind: UInt16 { ProviderCall.startup.rawValue }
  /// How many bytes say who the client is, this number included.
  public var size: UInt32 = 0
  public var processID: UInt32 = 0
  public var userID: UInt32 = 0
  public var groupID: UInt32 = 0
  public var traits: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&size, "20, or 0 for no client") && coder.field(&processID, "the client's process")
      && coder.field(&userID, "user") && coder.field(&groupID, "group") && coder.field(&traits, "1 for an operator, else 0")
  }
}

public struct StartupAnswer: WireMessage {
  public static var kind: UInt16 { ProviderCall.startup.rawValue | RequestKind.answerBit }
  public var argument: UInt64 = 0
  public init() {}
  public init(argument: UInt64) { self.argument = argument }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool { coder.field(&argument, "session's argument") }
}

/// `cleanup` and `rundown`.
public struct SessionEndCall: WireMessage {
  public static var kind: UInt16 { ProviderCall.cleanup.rawValue }
  public var argument: UInt64 = 0
  public init() {}
  public init(argument: UInt64) { self.argument = argument }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool { coder.field(&argument, "session's argument") }
}

/// The class that a call is made for: what is known of it, and then the query set, follow.
public struct NamedClassFields: Sendable {
  /// A multiple of 8.
  public var size: UInt32 = 0
  public var isNamed: UInt32 = 0
  public var id = WireID()
  public init() {}

  mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&size, "bytes of the class") && coder.field(&isNamed, "1 where a class is named, else 0")
      && coder.field(&id, "the class's id") && coder.rest("the class, at a multiple of 8 the query set") && size & 7 == 0
  }
}

public struct BeginCall: WireMessage {
  public static var kind: UInt16 { ProviderCall.begin.rawValue }
  public var argument: UInt64 = 0
  public var flags: UInt32 = 0
  public var recordsAhead: UInt32 = 0
  public var flagsAhead: UInt32 = 0
  public var room: UInt32 = 0
  public var number: UInt64 = 0
  public var query: UInt64 = 0
  public var serviceClass = NamedClassFields()
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&argument, "session's argument") && coder.field(&flags, "control flags")
      && coder.field(&recordsAhead, "how many records are taken ahead") && coder.field(&flagsAhead, "the flags for those")
      && coder.field(&room, "room for each, at most 2 MiB") && coder.field(&number, "number of the calls for those")
      && coder.field(&query, "query's id") && serviceClass.code(&coder) && room <= NextCall.mostRoom
  }
}

public struct BeginAnswer: WireMessage {
  public static var kind: UInt16 { ProviderCall.begin.rawValue | RequestKind.answerBit }
  public var handle: UInt64 = 0
  public var count: UInt32 = 0
  public init() {}
  public init(handle: UInt64, count: UInt32) { (self.handle, self.count) = (handle, count) }

  /// Where `count` is, from the start of the payload.
  public static var countOffset: Int { 8 }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&handle, "handle") && coder.field(&count, "how many outcomes follow") && coder.gap() && coder.rest("outcomes")
  }
}

public struct NextCall: WireMessage {
  public static var kind: UInt16 { ProviderCall.next.rawValue }
  public var handle: UInt64 = 0
  public var number: UInt64 = 0
  public var query: UInt64 = 0
  public var flags: UInt32 = 0
  public var room: UInt32 = 0
  public init() {}

  public static var mostRoom: UInt32 { 1 << 21 }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&handle, "handle") && coder.field(&number, "number of the call") && coder.field(&query, "query's id")
      && coder.field(&flags, "control flags") && coder.field(&room, "room, at most 2 MiB") && room <= Self.mostRoom
  }
}

/// `end`, and `endUnanswered`.
public struct EndCall: WireMessage {
  public static var kind: UInt16 { ProviderCall.end.rawValue }
  public var handle: UInt64 = 0
  public init() {}
  public init(handle: UInt64) { self.handle = handle }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool { coder.field(&handle, "handle") }
}

public struct SetServiceCall: WireMessage {
  public static var kind: UInt16 { ProviderCall.setService.rawValue }
  public var argument: UInt64 = 0
  public var number: UInt64 = 0
  public var query: UInt64 = 0
  public var operation: UInt32 = 0
  public var flags: UInt32 = 0
  public var serviceClass = NamedClassFields()
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&argument, "session's argument") && coder.field(&number, "number of the call")
      && coder.field(&query, "query's id") && coder.field(&operation, "operation") && coder.field(&flags, "control flags")
      && serviceClass.code(&coder)
  }
}

/// `removeClass`, and `classInfo`; the provider is the one that the channel is for.
public struct ClassCall: WireMessage {
  public static var kind: UInt16 { ProviderCall.removeClass.rawValue }
  public var id = WireID()
  public init() {}
  public init(id: WireID) { self.id = id }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool { coder.field(&id, "class's id") }
}

public struct IoctlCall: WireMessage {
  public static var kind: UInt16 { ProviderCall.ioctl.rawValue }
  public var handle: UInt64 = 0
  /// 0 for a call that does not wait for a change.
  public var number: UInt64 = 0
  public var code: UInt32 = 0
  public var outputSize: UInt32 = 0
  public var inputSize: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&handle, "handle") && coder.field(&number, "number of the call, or 0") && coder.field(&code, "code")
      && coder.field(&outputSize, "room for output") && coder.field(&inputSize, "bytes of input") && coder.gap()
      && coder.rest("input")
  }
}

/// What became of a call; the record follows, up to a multiple of 8.
public struct OutcomeFields: WireMessage {
  public static var kind: UInt16 { ProviderCall.next.rawValue | RequestKind.answerBit }
  /// A Winsock code.
  public var status: UInt32 = 0
  public var demanded: UInt32 = 0
  public var size: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&status, "status") && coder.field(&demanded, "bytes that were asked for with `WSAEFAULT`")
      && coder.field(&size, "bytes of the record") && coder.gap() && coder.rest("the record, up to a multiple of 8")
  }
}
