/// What clients ask the host, and its answers: fields in order, as docs/wire.md lists them.

/// The first frame of a connection.
public struct HelloRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.hello.rawValue }
  public var magic: UInt32 = 0
  public var major: UInt16 = 0
  public var minor: UInt16 = 0
  public var maximumFrame: UInt32 = 0
  public var session: UInt32 = 0
  public init() {}

  /// What this version says.
  /// - Parameter session: Which of its process's sessions the connection is part of; `WireVersion.noSession` for none.
  public init(session: UInt32) {
    (magic, major, minor) = (WireVersion.magic, WireVersion.major, WireVersion.minor)
    (maximumFrame, self.session) = (WireVersion.defaultMaximumFrame, session)
  }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&magic, "magic `NSP1`") && coder.field(&major, "major") && coder.field(&minor, "minor")
      && coder.field(&maximumFrame, "greatest frame")
      && coder.field(&session, "session")
  }
}

public struct HelloAnswer: WireMessage {
  public static var kind: UInt16 { RequestKind.hello.answer }
  public var major: UInt16 = 0
  public var minor: UInt16 = 0
  public var maximumFrame: UInt32 = 0
  public var processID: UInt32 = 0
  public var number: UInt32 = 0
  public var resolveBudget: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&major, "major") && coder.field(&minor, "minor") && coder.field(&maximumFrame, "greatest frame")
      && coder.field(&processID, "host's process id")
      && coder.field(&number, "a number that no other session has, the same for all connections without one")
      // Hosts of version 1.0 do not say it.
      && (coder.field(&resolveBudget, "how many milliseconds one `resolve` is worth waiting for") || true)
  }
}

public struct HelloRefusalAnswer: WireMessage {
  public static var kind: UInt16 { RequestKind.hello.answer }
  /// A `HelloRefusal`.
  public var reason: UInt32 = 0
  public init() {}
  public init(_ reason: HelloRefusal) { self.reason = reason.rawValue }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool { coder.field(&reason, "reason") && coder.gap() }
}

public struct BeginRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.begin.rawValue }
  public var flags: UInt32 = 0
  /// An `UnsaidOwners`.
  public var owners: UInt32 = 0
  public init() {}
  public init(flags: UInt32, owners: UnsaidOwners) { (self.flags, self.owners) = (flags, owners.rawValue) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&flags, "control flags")
      && coder.field(&owners, "whose registrations count") && coder.rest("query set")
  }
}

/// The answer to `begin`, and the request `end`.
public struct LookupHandle: WireMessage {
  public static var kind: UInt16 { RequestKind.end.rawValue }
  public var handle: UInt64 = 0
  public init() {}
  public init(_ handle: UInt64) { self.handle = handle }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool { coder.field(&handle, "handle") }
}

public struct NextRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.next.rawValue }
  public var handle: UInt64 = 0
  public var flags: UInt32 = 0
  public init() {}
  public init(handle: UInt64, flags: UInt32) { (self.handle, self.flags) = (handle, flags) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&handle, "handle") && coder.field(&flags, "control flags")
  }
}

public struct LookupRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.lookup.rawValue }
  public var flags: UInt32 = 0
  public var mostRecords: UInt32 = 0
  public init() {}
  public init(flags: UInt32, mostRecords: UInt32 = 0) { (self.flags, self.mostRecords) = (flags, mostRecords) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&flags, "control flags") && coder.field(&mostRecords, "greatest number of records or 0")
      && coder.rest("query set")
  }
}

public struct LookupAnswer: WireMessage {
  public static var kind: UInt16 { RequestKind.lookup.answer }
  public var count: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&count, "number") && coder.gap() && coder.rest("for each record: size (4), 0 (4), record")
  }
}

public struct SetServiceRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.setService.rawValue }
  public var operation: UInt32 = 0
  public var flags: UInt32 = 0
  public init() {}
  public init(operation: UInt32, flags: UInt32) { (self.operation, self.flags) = (operation, flags) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&operation, "operation") && coder.field(&flags, "control flags") && coder.rest("query set")
  }
}

/// The head of what `enumerate` is answered with.
public struct EnumerateAnswer: WireMessage {
  public static var kind: UInt16 { RequestKind.enumerate.answer }
  public var count: UInt32 = 0
  public init() {}
  public init(count: UInt32) { self.count = count }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&count, "number") && coder.gap() && coder.rest("a row for each provider")
  }
}

/// One row of what `enumerate` is answered with.
public struct EnumeratedProvider: WireMessage {
  public static var kind: UInt16 { RequestKind.enumerate.answer }
  public var id = WireID()
  public var nameSpace: UInt32 = 0
  public var isActive: UInt32 = 0
  public var version: UInt32 = 0
  public var nameUnits: UInt32 = 0
  public var blobSize: UInt32 = 0
  public var traits: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&id, "id") && coder.field(&nameSpace, "name space") && coder.field(&isActive, "active")
      && coder.field(&version, "version") && coder.field(&nameUnits, "UTF-16 units of the name")
      && coder.field(&blobSize, "bytes of the installation's blob")
      && coder.field(&traits, "traits")
      && coder.rest("the name, up to a multiple of 8, the blob, up to a multiple of 8")
  }
}

public struct InstallRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.install.rawValue }
  public var id = WireID()
  public var nameSpace: UInt32 = 0
  public var version: UInt32 = 0
  public var identifierUnits: UInt32 = 0
  public var pathUnits: UInt32 = 0
  public var blobSize: UInt32 = 0
  public var hasBlob: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&id, "id") && coder.field(&nameSpace, "name space") && coder.field(&version, "version")
      && coder.field(&identifierUnits, "UTF-16 units of the identifier") && coder.field(&pathUnits, "UTF-16 units of the path")
      && coder.field(&blobSize, "bytes of the blob") && coder.field(&hasBlob, "whether there is one")
      && coder.rest("identifier, path, blob")
  }
}

public struct UninstallRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.uninstall.rawValue }
  public var id = WireID()
  public init() {}
  public init(id: WireID) { self.id = id }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool { coder.field(&id, "id") }
}

public struct EnableRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.enable.rawValue }
  public var id = WireID()
  public var isEnabled: UInt32 = 0
  public init() {}
  public init(id: WireID, isEnabled: Bool) { (self.id, self.isEnabled) = (id, isEnabled ? 1 : 0) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&id, "id") && coder.field(&isEnabled, "0 or 1")
  }
}

public struct OrderRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.order.rawValue }
  public var count: UInt32 = 0
  public init() {}
  public init(count: UInt32) { self.count = count }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&count, "number") && coder.gap()
      && coder.rest("each id of the catalog (16), once or as often as it is enumerated")
  }
}

public struct CommandRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.command.rawValue }
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.gap() && coder.gap() && coder.rest("the words of a command line, each with its NUL")
  }
}

public struct CommandAnswer: WireMessage {
  public static var kind: UInt16 { RequestKind.command.answer }
  public var outputSize: UInt32 = 0
  public var errorSize: UInt32 = 0
  public init() {}
  public init(outputSize: UInt32, errorSize: UInt32) { (self.outputSize, self.errorSize) = (outputSize, errorSize) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&outputSize, "bytes of output") && coder.field(&errorSize, "bytes of errors") && coder.rest("both texts in UTF-8")
  }
}

public struct ClassNameRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.className.rawValue }
  public var id = WireID()
  public init() {}
  public init(id: WireID) { self.id = id }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool { coder.field(&id, "class's id") }
}

/// `remove class`.
public struct ClassRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.removeClass.rawValue }
  public var id = WireID()
  public init() {}
  public init(id: WireID) { self.id = id }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool { coder.field(&id, "class's id") }
}

public struct ClassInfoRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.classInfo.rawValue }
  public var provider = WireID()
  public var id = WireID()
  public init() {}
  public init(provider: WireID, id: WireID) { (self.provider, self.id) = (provider, id) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&provider, "provider's id") && coder.field(&id, "class's id")
  }
}

public struct ClassNameAnswer: WireMessage {
  public static var kind: UInt16 { RequestKind.className.answer }
  public var units: UInt32 = 0
  public init() {}
  public init(units: UInt32) { self.units = units }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&units, "UTF-16 units of the name") && coder.rest("the name")
  }
}

public struct IoctlRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.ioctl.rawValue }
  public var handle: UInt64 = 0
  public var code: UInt32 = 0
  public var waits: UInt32 = 0
  public var outputSize: UInt32 = 0
  public var inputSize: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&handle, "lookup's handle") && coder.field(&code, "code")
      && coder.field(&waits, "1 to wait for a change, else 0") && coder.field(&outputSize, "room for output")
      && coder.field(&inputSize, "bytes of input") && coder.rest("input")
  }
}

public struct IoctlAnswer: WireMessage {
  public static var kind: UInt16 { RequestKind.ioctl.answer }
  public var size: UInt32 = 0
  public var isToldOfAll: UInt32 = 0
  public init() {}
  public init(size: UInt32, isToldOfAll: Bool = false) { (self.size, self.isToldOfAll) = (size, isToldOfAll ? 1 : 0) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&size, "bytes of output")
      && coder.field(&isToldOfAll, "of the first of two answers: 1 where the provider has promised to say every change, else 0")
      && coder.rest("output")
  }
}

public struct CatalogChangeRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.catalogChange.rawValue }
  public var waits: UInt32 = 0
  public init() {}
  public init(waits: Bool) { self.waits = waits ? 1 : 0 }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&waits, "1 to wait for a change, else 0") && coder.gap()
  }
}

public struct ResolveRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.resolve.rawValue }
  /// A `ResolveQuestion`.
  public var question: UInt32 = 0
  public var family: UInt32 = 0
  public var size: UInt32 = 0
  public init() {}

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&question, "1: addresses of a name, 2: names of an address, 3: port of a service")
      && coder.field(&family, "address family or 0") && coder.field(&size, "bytes of the text") && coder.gap()
      && coder.rest("the text in UTF-8: a name, an address, or `http/tcp`, `80/udp`, `http`")
  }
}

public struct AskRequest: WireMessage {
  public static var kind: UInt16 { RequestKind.ask.rawValue }
  public var nameSize: UInt32 = 0
  public var watches: UInt32 = 0
  public init() {}
  public init(nameSize: UInt32, watches: UInt32) { (self.nameSize, self.watches) = (nameSize, watches) }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&nameSize, "bytes of the name") && coder.field(&watches, "1 to be told of every change, else 0")
      && coder.rest("the name of what is asked, and what it takes in JSON")
  }
}

public struct AskAnswer: WireMessage {
  public static var kind: UInt16 { RequestKind.ask.answer }
  public var isFailure: UInt32 = 0
  public init() {}
  public init(isFailure: UInt32) { self.isFailure = isFailure }

  public mutating func code(_ coder: inout some FieldCoder) -> Bool {
    coder.field(&isFailure, "1 where it can't be done, else 0") && coder.gap() && coder.rest("the answer, or why, in JSON")
  }
}
