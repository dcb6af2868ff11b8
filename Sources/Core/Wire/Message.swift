/// What a frame carries, as a value: its fields are described once, in `code`, from which come reading, writing and the tables of docs/wire.md.
///
/// What has no fixed form (a query set, a class, a text) follows the fields, and is read and written by whoever has the message.
public protocol WireMessage: Sendable {
  /// The kind of its frames: of `RequestKind` or `ProviderCall`, of an answer with `RequestKind.answerBit`.
  static var kind: UInt16 { get }
  /// Every field 0.
  init()
  /// Gives each field to the coder, in order. False where the coder can't go on.
  mutating func code(_ coder: inout some FieldCoder) -> Bool
}

/// Does something with each field of a message.
public protocol FieldCoder {
  /// - Parameter meaning: For people.
  mutating func field(_ value: inout UInt16, _ meaning: StaticString) -> Bool
  mutating func field(_ value: inout UInt32, _ meaning: StaticString) -> Bool
  mutating func field(_ value: inout UInt64, _ meaning: StaticString) -> Bool
  mutating func field(_ value: inout WireID, _ meaning: StaticString) -> Bool
  /// A field that is always 0.
  mutating func gap() -> Bool
  /// What follows the fields.
  mutating func rest(_ meaning: StaticString) -> Bool
}

/// A GUID as the wire carries it.
public struct WireID: Sendable, BitwiseCopyable, Equatable {
  private var low: UInt64 = 0
  private var high: UInt64 = 0

  public static let size = 16

  public init() {}

  /// - Parameter value: Of 16 bytes.
  public init<Value: BitwiseCopyable>(_ value: Value) { self = unsafeBitCast(value, to: WireID.self) }

  /// - Parameter type: Of 16 bytes. Always named: what the compiler infers may be an optional, which has more.
  public func value<Value: BitwiseCopyable>(as type: Value.Type) -> Value { unsafeBitCast(self, to: type) }
}

extension WireMessage {
  /// Reads a message; what follows its fields is left to be read.
  public init?(_ fields: inout FieldReader) {
    self.init()
    guard code(&fields) else { return nil }
  }

  /// Reads a message from a payload; what follows its fields is not looked at.
  public init?(_ payload: UnsafeRawBufferPointer) {
    var fields = FieldReader(payload)
    self.init(&fields)
  }

  public func write(to frame: inout FrameWriter) {
    var copy = self
    _ = copy.code(&frame)
  }

  /// A frame with its fields, to which what follows them is appended.
  public func frame(request: UInt32 = 0, reserving capacity: Int = 256) -> FrameWriter {
    var frame = FrameWriter(Self.kind, request: request, reserving: capacity)
    write(to: &frame)
    return frame
  }
}

extension FrameWriter: FieldCoder {
  public mutating func field(_ value: inout UInt16, _: StaticString) -> Bool {
    append(value)
    return true
  }

  public mutating func field(_ value: inout UInt32, _: StaticString) -> Bool {
    append(value)
    return true
  }

  public mutating func field(_ value: inout UInt64, _: StaticString) -> Bool {
    append(value)
    return true
  }

  public mutating func field(_ value: inout WireID, _: StaticString) -> Bool {
    withUnsafeBytes(of: value) { append($0) }
    return true
  }

  public mutating func gap() -> Bool {
    append(UInt32(0))
    return true
  }

  public mutating func rest(_: StaticString) -> Bool { true }
}

extension FieldReader: FieldCoder {
  public mutating func field(_ value: inout UInt16, _: StaticString) -> Bool { take(uint16(), &value) }
  public mutating func field(_ value: inout UInt32, _: StaticString) -> Bool { take(uint32(), &value) }
  public mutating func field(_ value: inout UInt64, _: StaticString) -> Bool { take(uint64(), &value) }

  public mutating func field(_ value: inout WireID, _: StaticString) -> Bool {
    take(bytes(WireID.size)?.loadUnaligned(as: WireID.self), &value)
  }

  public mutating func gap() -> Bool { uint32() != nil }
  public mutating func rest(_: StaticString) -> Bool { true }

  private func take<Value>(_ read: Value?, _ value: inout Value) -> Bool {
    guard let read else { return false }
    value = read
    return true
  }
}

/// Fields that are written into memory that is there, behind a frame's header: nothing is allocated.
struct FieldBuffer: FieldCoder {
  private let bytes: UnsafeMutableRawBufferPointer
  private(set) var position = FrameHeader.size

  init(_ frame: UnsafeMutableRawBufferPointer) { bytes = frame }

  mutating func field(_ value: inout UInt16, _: StaticString) -> Bool { store(value) }
  mutating func field(_ value: inout UInt32, _: StaticString) -> Bool { store(value) }
  mutating func field(_ value: inout UInt64, _: StaticString) -> Bool { store(value) }
  mutating func field(_ value: inout WireID, _: StaticString) -> Bool { store(value) }
  mutating func gap() -> Bool { store(UInt32(0)) }
  mutating func rest(_: StaticString) -> Bool { true }

  private mutating func store<Value: BitwiseCopyable>(_ value: Value) -> Bool {
    guard bytes.count - position >= MemoryLayout<Value>.size else { return false }
    bytes.storeBytes(of: value, toByteOffset: position, as: Value.self)
    position += MemoryLayout<Value>.size
    return true
  }
}

extension WireMessage {
  /// Writes a whole frame, except what follows its fields, into memory of the frame's size.
  /// - Returns: Where what follows the fields begins.
  @discardableResult
  public func write(frame: UnsafeMutableRawBufferPointer, request: UInt32 = 0) -> Int {
    FrameHeader(length: UInt32(frame.count), kind: Self.kind, request: request).write(to: frame)
    var buffer = FieldBuffer(frame)
    var copy = self
    _ = copy.code(&buffer)
    return buffer.position
  }
}
