import CClientSystem
import CWinsock

#if !hasFeature(Embedded) && canImport(Wire)
  import Rundown
  import Wire
#endif

/// One call of a routine that completes asynchronously, and the memory that is the provider's until it does (nsp.md §10.1).
final class PendingCall: @unchecked Sendable {
  // Unchecked: what changes is used under the lock of `PendingCalls`, or by the thread that makes the call alone.
  enum Phase {
    case running
    /// The routine has returned; whoever completes the call tells the host.
    case returned
    case completed(ProviderOutcome)
  }

  let advertisement: Advertisement
  /// The host's number of it.
  let number: UInt64
  /// The host's id of the query that it is part of.
  let query: UInt64
  /// Of the connection to the host that it came on.
  let epoch: UInt64
  let memory: UnsafeMutableRawBufferPointer
  /// Whether what the provider leaves in the memory is a record.
  let isLookup: Bool
  /// The length, and the provider's id.
  private let own: UnsafeMutableRawPointer
  let length: UnsafeMutablePointer<UInt32>
  let provider: UnsafeMutablePointer<GUID>
  fileprivate var phase = Phase.running

  /// - Parameter memory: Of `allocate`; it is the call's from now on.
  init(
    _ advertisement: Advertisement, _ number: UInt64, _ query: UInt64, _ epoch: UInt64, _ memory: UnsafeMutableRawBufferPointer,
    isLookup: Bool
  ) {
    (self.advertisement, self.number, self.query, self.epoch) = (advertisement, number, query, epoch)
    (self.memory, self.isLookup) = (memory, isLookup)
    own = .allocate(byteCount: 32, alignment: 16)
    length = own.bindMemory(to: UInt32.self, capacity: 1)
    length.pointee = UInt32(memory.count)
    provider = (own + 16).bindMemory(to: GUID.self, capacity: 1)
    provider.pointee = advertisement.id
  }

  deinit {
    memory.deallocate()
    own.deallocate()
  }

  fileprivate func outcome(_ code: INT, _ lastError: Int32) -> ProviderOutcome {
    switch code {
    case 0:
      guard isLookup, let block = memory.baseAddress else { return ProviderOutcome(status: 0) }
      return advertisement.outcome(of: self, recordIn: block)
    case SOCKET_ERROR: return ProviderOutcome(status: lastError != 0 ? lastError : Int32(WSASYSCALLFAILURE))
    default: return ProviderOutcome(status: code, demanded: code == Int32(WSAEFAULT) ? length.pointee : 0)
    }
  }
}

/// The calls that some provider of this process owes a completion, by handles that are never given twice while it matters.
final class PendingCalls: @unchecked Sendable {
  // Unchecked: everything mutable is used under `lock`.
  nonisolated(unsafe) private(set) static var shared = PendingCalls()

  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private var calls = HandleSlots<PendingCall>(kind: 3)

  private init() {
    lock = .allocate(capacity: 1)
    nsp_lock_create(lock)
  }

  /// A child of fork begins with none.
  static func renew() {
    _ = Unmanaged.passRetained(shared)
    shared = PendingCalls()
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    nsp_lock(lock)
    defer { nsp_unlock(lock) }
    return body()
  }

  func insert(_ call: PendingCall) -> HANDLE? { locked { calls.insert(call)?.pointer } }

  /// Completes the call that a handle names, the first time. Zero, or what is wrong with the handle.
  func complete(_ handle: HANDLE?, _ code: INT) -> Int32 {
    guard let handle else { return Int32(WSAEINVAL) }
    // Taken before anything else: the completing thread's own.
    let lastError = code == SOCKET_ERROR ? WSAGetLastError() : 0
    guard let call = locked({ calls.remove(Handle(handle)) }) else { return Int32(WSA_INVALID_HANDLE) }
    let outcome = call.outcome(code, lastError)
    let tellsHost = locked {
      defer { call.phase = .completed(outcome) }
      if case .returned = call.phase { return true }
      return false
    }
    if tellsHost { call.advertisement.tell(call, outcome) }
    return 0
  }

  /// The query that the call which a handle names is part of.
  func query(of handle: HANDLE?) -> UInt64? { locked { calls[Handle(handle)]?.query } }

  /// The routine has returned: what it, or anybody, has completed the call with; nil while that is owed.
  func returned(_ call: PendingCall) -> ProviderOutcome? {
    locked {
      if case .completed(let outcome) = call.phase { return outcome }
      call.phase = .returned
      return nil
    }
  }
}
