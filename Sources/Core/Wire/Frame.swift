/// The frames between client library and host (docs/wire.md). Little-endian, as every machine that this runs on; a frame's payload
/// begins at a multiple of 8, so that structures in it can be used where they are.
///
/// This room is compiled into the client library too: no Foundation, nothing beyond the standard library.
public struct FrameHeader: Sendable {
  public static let size = 16

  /// Of the whole frame, header included.
  public var length: UInt32
  public var kind: UInt16
  /// The client's number of a request; its answer carries the same.
  public var request: UInt32
  /// In answers: a Winsock code, 0 for success.
  public var status: Int32

  public init(length: UInt32, kind: UInt16, request: UInt32, status: Int32 = 0) {
    self.length = length
    self.kind = kind
    self.request = request
    self.status = status
  }

  /// Reads a header from the first 16 bytes; nil when there are fewer. What it says is not checked.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= Self.size else { return nil }
    length = bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
    kind = bytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
    request = bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
    status = bytes.loadUnaligned(fromByteOffset: 12, as: Int32.self)
  }

  /// Whether a frame of this length may follow: never trust a length.
  public func isAcceptable(maximum: UInt32) -> Bool { length >= UInt32(Self.size) && length <= maximum }

  func write(to bytes: UnsafeMutableRawBufferPointer) {
    bytes.storeBytes(of: length, toByteOffset: 0, as: UInt32.self)
    bytes.storeBytes(of: kind, toByteOffset: 4, as: UInt16.self)
    bytes.storeBytes(of: 0, toByteOffset: 6, as: UInt16.self)
    bytes.storeBytes(of: request, toByteOffset: 8, as: UInt32.self)
    bytes.storeBytes(of: status, toByteOffset: 12, as: Int32.self)
  }
}

/// What a client asks for. Its answer is of the same kind with `answerBit` set.
public enum RequestKind: UInt16, CaseIterable {
  case hello = 1
  case begin = 2
  case next = 3
  case end = 4
  /// Begin, every next, and end, in one.
  case lookup = 5
  case setService = 6
  case enumerate = 7
  case install = 8
  case uninstall = 9
  case enable = 10
  case order = 11
  case goodbye = 13
  /// The words of a command line, from commands that are older than `ask`: answered with what to do about that.
  case command = 14
  case installClass = 15
  case removeClass = 16
  case classInfo = 17
  case className = 18
  /// Control of a lookup. Where it waits for a change there are two answers: `WSA_IO_PENDING`, and what it came to.
  case ioctl = 19
  /// Serves calls of a provider from now on, over channels that come on the same connection; for as long as that lasts.
  case advertise = 20
  case unadvertise = 21
  /// What became of a call that the provider's process has taken; has no answer.
  case complete = 22
  /// Answered when the catalog is another than the one that the client knows.
  case catalogChange = 23
  /// A line for the host's log, from a provider's process; has no answer.
  case log = 24
  /// What a worker tells of itself before it serves; has no answer.
  case note = 25
  /// Hosts and ports, as glibc asks for them: each provider in turn, until one has it.
  case resolve = 26
  /// Answered at once: somebody is there.
  case nothing = 27
  /// What commands ask of a host, by a name. Where it is watched there is an answer now and one whenever the answer is another.
  case ask = 28
  /// A provider in another process says that what it serves has changed.
  case changed = 52

  public static let answerBit: UInt16 = 0x8000

  public var answer: UInt16 { rawValue | Self.answerBit }
}

public enum WireVersion {
  /// "NSP1".
  public static let magic: UInt32 = 0x3150_534E
  public static let major: UInt16 = 1
  public static let minor: UInt16 = 1
  /// In the place of a session's number in a hello: the connection only resolves names.
  public static let noSession: UInt32 = .max
  /// What a frame may have, unless the host is configured otherwise.
  public static let defaultMaximumFrame: UInt32 = 1 << 20
}

/// Why a host refuses a hello, where the status of its answer does not say it alone.
public enum HelloRefusal: UInt32 {
  case statusSays = 0
  /// The client is in another network namespace than the host, and only resolves names.
  case otherNetworkNamespace = 1
  /// The host is in a pid namespace where the client's process has no id.
  case processIsInvisible = 2
}

/// What `changed` says.
public enum ChangeKind: UInt32 {
  /// What queries find under a name, which follows.
  case name = 0
  /// Everything, with the provider's promise to say every change.
  case everything = 1
  /// More than is said one by one.
  case much = 2
}

/// What `resolve` asks for.
public enum ResolveQuestion: UInt32 {
  /// The addresses of a name.
  case addresses = 1
  /// The names of an address, which is given as text.
  case names = 2
  /// The port and protocol of a service: `http/tcp`, `80/tcp`, or without a protocol.
  case port = 3
}

/// A frame that is being written: fields in order, then its length is filled in.
public struct FrameWriter {
  public private(set) var bytes: [UInt8]

  public init(_ kind: UInt16, request: UInt32, status: Int32 = 0, reserving capacity: Int = 256) {
    bytes = []
    bytes.reserveCapacity(capacity)
    bytes.append(contentsOf: repeatElement(0, count: FrameHeader.size))
    let header = FrameHeader(length: 0, kind: kind, request: request, status: status)
    bytes.withUnsafeMutableBytes { header.write(to: $0) }
  }

  public var count: Int { bytes.count }

  public mutating func append(_ value: UInt16) { append(bytesOf: value) }
  public mutating func append(_ value: UInt32) { append(bytesOf: value) }
  public mutating func append(_ value: UInt64) { append(bytesOf: value) }
  public mutating func append(_ value: [UInt8]) { bytes.append(contentsOf: value) }
  public mutating func append(_ value: UnsafeRawBufferPointer) { bytes.append(contentsOf: value) }

  private mutating func append<Value: FixedWidthInteger>(bytesOf value: Value) {
    // Little-endian, as every machine that this runs on.
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }

  /// Fills up to a multiple of 8.
  public mutating func align() { while bytes.count & 7 != 0 { bytes.append(0) } }

  /// Room for something that is written in place.
  /// - Returns: Where it begins.
  public mutating func reserve(_ count: Int) -> Int {
    align()
    let start = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: count))
    return start
  }

  public mutating func withBytes<Result>(from start: Int, _ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
    bytes.withUnsafeMutableBytes { body(UnsafeMutableRawBufferPointer(rebasing: $0[start...])) }
  }

  /// Sets a field that was reserved.
  public mutating func set(_ value: UInt32, at offset: Int) {
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: UInt32.self) }
  }

  public mutating func set(_ value: UInt64, at offset: Int) {
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: UInt64.self) }
  }

  public mutating func set(status: Int32) {
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: status, toByteOffset: 12, as: Int32.self) }
  }

  /// The whole frame.
  public mutating func finish() -> [UInt8] {
    set(UInt32(bytes.count), at: 0)
    return bytes
  }
}

/// Fields of a payload in order. Reading beyond the end gives nil.
public struct FieldReader {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  public init(_ payload: UnsafeRawBufferPointer) { bytes = payload }

  public var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[position...]) }
  public var offset: Int { position }

  public mutating func uint16() -> UInt16? { load(UInt16.self) }
  public mutating func uint32() -> UInt32? { load(UInt32.self) }
  public mutating func uint64() -> UInt64? { load(UInt64.self) }

  private mutating func load<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) -> Value? {
    guard bytes.count - position >= MemoryLayout<Value>.size else { return nil }
    defer { position += MemoryLayout<Value>.size }
    return bytes.loadUnaligned(fromByteOffset: position, as: Value.self)
  }

  public mutating func bytes(_ count: Int) -> UnsafeRawBufferPointer? {
    guard count >= 0, bytes.count - position >= count else { return nil }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  /// Goes on at the next multiple of 8, counted from the payload's start.
  public mutating func align() -> Bool {
    let next = (position + 7) & ~7
    guard next <= bytes.count else { return false }
    position = next
    return true
  }
}

/// Whose registrations count for a `begin` with neither `LUP_SECURE` nor `LUP_ALL_OWNERS` among its flags.
public enum UnsaidOwners: UInt32 {
  /// As the host is configured: the functions of Winsock.
  case asConfigured = 0
  /// Of root, of the host's own user and of the asking user, and those that a rule permits.
  case trusted = 1
}

/// What a row of the enumerated providers says beside what the interface has.
public enum EnumeratedTraits {
  /// It is asked whatever the name space of a query.
  public static let servesAll: UInt32 = 1
  /// It is the provider of the row before, under another name space.
  public static let isFurther: UInt32 = 2

  public static func bits(servesAll: Bool, isFurther: Bool) -> UInt32 {
    (servesAll ? Self.servesAll : 0) | (isFurther ? Self.isFurther : 0)
  }
}
