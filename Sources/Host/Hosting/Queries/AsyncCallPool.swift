import Rundown

/// Raw memory of at least a given size, aligned to 8, that can grow between uses.
final class GrowingBlock {
  private(set) var start: UnsafeMutableRawPointer
  private(set) var capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    start = .allocate(byteCount: capacity, alignment: 8)
    // Zeroed, so that a provider that lies about what it wrote can't show a client another's memory.
    start.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
  }

  deinit { start.deallocate() }

  var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: start, count: capacity) }

  /// Makes room; contents are lost when it has to grow.
  func reserve(_ size: Int) {
    guard size > capacity else { return }
    start.deallocate()
    capacity = (size + 7) & ~7
    start = .allocate(byteCount: capacity, alignment: 8)
    start.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
  }

  func clear() { start.initializeMemory(as: UInt8.self, repeating: 0, count: capacity) }
}

/// Calls that wait to be used again, so that a lookup costs no allocation of its result block.
final class AsyncCallPool: Sendable {
  static let blockSize = 4096
  private let idle = Locked<[AsyncCall]>([])

  func take() -> AsyncCall {
    guard let call = idle.withLock({ $0.popLast() }) else { return AsyncCall(blockSize: Self.blockSize) }
    // What an earlier lookup found is nobody else's business.
    call.block.clear()
    return call
  }

  /// Takes back a call that no provider knows any more. Grown ones are let go.
  func give(_ call: AsyncCall) {
    guard call.block.capacity == Self.blockSize else { return }
    idle.withLock { calls in
      if calls.count < 64 { calls.append(call) }
    }
  }
}
