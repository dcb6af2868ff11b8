/// Gives out handles for values, and finds the values by them, under a lock.
///
/// Any thread may call. No operation calls out while the table's lock is held: a removed value is released after it.
public final class HandleTable<Value: Sendable>: Sendable {
  private let slots: Locked<HandleSlots<Value>>

  /// - Parameter kind: A number that tells this table's handles from those of the process's other tables.
  public init(kind: UInt8) { slots = Locked(HandleSlots(kind: kind)) }

  public var count: Int { slots.withLock { $0.count } }

  /// Every value that is in the table now, in no particular order.
  public var values: [Value] { entries.map(\.value) }

  /// The same, each with its handle.
  public var entries: [(handle: Handle, value: Value)] { slots.withLock { $0.entries } }

  /// Adds a value. Answers nil only when 2^24 entries are alive.
  public func insert(_ value: Value) -> Handle? { slots.withLock { $0.insert(value) } }

  public subscript(handle: Handle) -> Value? { slots.withLock { $0[handle] } }

  /// Takes the value out; exactly one caller gets it. The handle is dead from then on.
  public func remove(_ handle: Handle) -> Value? { slots.withLock { $0.remove(handle) } }
}
