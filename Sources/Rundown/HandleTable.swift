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

/// Gives out generation-checked handles for values. A stale, forged or foreign handle finds nothing; it can't crash anything.
///
/// Any thread may call. No operation calls out while the table's lock is held: a removed value is released after it.
public final class HandleTable<Value: Sendable>: Sendable {
  private struct Slot {
    var generation: UInt32
    var value: Value?
  }

  private struct State {
    var slots: [Slot] = []
    var free: [Int] = []
    var count = 0
  }

  public static var maximumCount: Int { 1 << 24 }

  private let kind: UInt8
  private let state = Locked<State>(State())

  /// - Parameter kind: A number that tells this table's handles from those of the process's other tables.
  public init(kind: UInt8) { self.kind = kind }

  public var count: Int { state.withLock { $0.count } }

  /// Every value that is in the table now, in no particular order.
  public var values: [Value] {
    state.withLock { state in state.count == 0 ? [] : state.slots.compactMap(\.value) }
  }

  /// The same, each with its handle.
  public var entries: [(handle: Handle, value: Value)] {
    state.withLock { state in
      state.slots.indices.compactMap { index in
        state.slots[index].value.map { (handle(of: index, in: state), $0) }
      }
    }
  }

  /// Adds a value. Answers nil only when 2^24 entries are alive.
  public func insert(_ value: Value) -> Handle? {
    state.withLock { state in
      let index: Int
      if let reused = state.free.popLast() {
        index = reused
      } else {
        guard state.slots.count < Self.maximumCount else { return nil }
        index = state.slots.count
        state.slots.append(Slot(generation: 1, value: nil))
      }
      state.slots[index].value = value
      state.count += 1
      return handle(of: index, in: state)
    }
  }

  public subscript(handle: Handle) -> Value? {
    state.withLock { state in
      guard let index = index(of: handle, in: state) else { return nil }
      return state.slots[index].value
    }
  }

  /// Takes the value out; exactly one caller gets it. The handle is dead from then on.
  public func remove(_ handle: Handle) -> Value? {
    state.withLock { state in
      guard let index = index(of: handle, in: state), let value = state.slots[index].value else { return nil }
      state.slots[index].value = nil
      state.count -= 1
      // A slot whose generations are used up is retired, so that no handle ever names two values.
      if state.slots[index].generation < UInt32.max {
        state.slots[index].generation += 1
        state.free.append(index)
      }
      return value
    }
  }

  private func handle(of index: Int, in state: borrowing State) -> Handle {
    Handle(rawValue: UInt64(state.slots[index].generation) << 32 | UInt64(kind) << 24 | UInt64(index))
  }

  private func index(of handle: Handle, in state: borrowing State) -> Int? {
    let index = Int(handle.rawValue & 0xFF_FFFF)
    guard UInt8(truncatingIfNeeded: handle.rawValue >> 24) == kind, index < state.slots.count,
      state.slots[index].generation == UInt32(truncatingIfNeeded: handle.rawValue >> 32)
    else { return nil }
    return index
  }
}
