/// A handle that may be given to foreign code: not a pointer, never 0, and never valid again once its entry was removed.
///
/// Bits 0…23 are the slot, 24…31 the table's kind, 32…63 the generation of the slot.
public struct Handle: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The handle as the `HANDLE` of the C ABI; NULL never names an entry.
  public init(_ pointer: UnsafeMutableRawPointer?) { rawValue = UInt64(UInt(bitPattern: pointer)) }

  public var pointer: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: UInt(rawValue)) }
}

/// Values that handles lead to. A stale, forged or foreign handle finds nothing; it can't crash anything.
///
/// It has no lock of its own. `HandleTable` has one; libnsp, which compiles this file too, keeps it under the lock of its process.
public struct HandleSlots<Value> {
  private struct Slot {
    var generation: UInt32
    var value: Value?
  }

  public static var maximumCount: Int { 1 << 24 }

  private let kind: UInt8
  private var slots: [Slot] = []
  private var free: [Int] = []
  public private(set) var count = 0

  /// - Parameter kind: A number that tells these handles from those of the process's other tables.
  public init(kind: UInt8) { self.kind = kind }

  /// Every value that is there now with its handle, in no particular order.
  public var entries: [(handle: Handle, value: Value)] {
    if count == 0 { return [] }
    return slots.indices.compactMap { index in slots[index].value.map { (handle(of: index), $0) } }
  }

  /// Adds a value. Answers nil only when 2^24 entries are alive.
  public mutating func insert(_ value: Value) -> Handle? {
    let index: Int
    if let reused = free.popLast() {
      index = reused
    } else {
      guard slots.count < Self.maximumCount else { return nil }
      index = slots.count
      slots.append(Slot(generation: 1, value: nil))
    }
    slots[index].value = value
    count += 1
    return handle(of: index)
  }

  public subscript(handle: Handle) -> Value? { index(of: handle).flatMap { slots[$0].value } }

  /// Takes the value out. The handle is dead from then on.
  public mutating func remove(_ handle: Handle) -> Value? {
    guard let index = index(of: handle), let value = slots[index].value else { return nil }
    slots[index].value = nil
    count -= 1
    // A slot whose generations are used up is retired, so that no handle ever names two values.
    if slots[index].generation < UInt32.max {
      slots[index].generation += 1
      free.append(index)
    }
    return value
  }

  private func handle(of index: Int) -> Handle {
    Handle(rawValue: UInt64(slots[index].generation) << 32 | UInt64(kind) << 24 | UInt64(index))
  }

  private func index(of handle: Handle) -> Int? {
    let index = Int(handle.rawValue & 0xFF_FFFF)
    guard UInt8(truncatingIfNeeded: handle.rawValue >> 24) == kind, index < slots.count,
      slots[index].generation == UInt32(truncatingIfNeeded: handle.rawValue >> 32)
    else { return nil }
    return index
  }
}
