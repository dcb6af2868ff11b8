import CClientSystem
import CThreads
import CWinsock

/// One `GetAddrInfoEx` that goes on while its caller does something else, or that has a timeout: exactly one of answer, cancellation,
/// timeout and the process's cleanup completes it (nsp.md §10.2).
final class AddressRequest {
  /// Where the answer goes, and how the caller learns of it.
  struct Completion {
    var result: UnsafeMutablePointer<UnsafeMutablePointer<ADDRINFOEXW>?>
    var overlapped: LPOVERLAPPED
    var routine: LPLOOKUPSERVICE_COMPLETION_ROUTINE?
    /// Set where there is no routine.
    var event: UInt
  }

  private let query: AddressQuery
  private let process: Process
  /// Nil for a caller that waits itself.
  private let completion: Completion?
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  let done: UnsafeMutablePointer<nsp_event>
  private var isOver = false
  private(set) var outcome: (chain: UnsafeMutablePointer<ADDRINFOEXW>?, code: Int32) = (nil, 0)
  var handle: UInt = 0

  /// How long the host may give no sign of life, in nanoseconds: a time-out of the caller's is always over before that.
  private let silence: Int64

  /// - Parameter limit: The caller's time-out, in microseconds.
  init(_ query: AddressQuery, _ process: Process, _ completion: Completion?, limit: Int64?) {
    silence = nsp_client_usual_silence() + (limit ?? 0) * 1_000
    self.query = query
    self.process = process
    self.completion = completion
    lock = .allocate(capacity: 1)
    nsp_lock_create(lock)
    done = .allocate(capacity: 1)
    nsp_event_create(done)
  }

  deinit {
    lock.deallocate()
    done.deallocate()
  }

  /// Asks on a thread of the library. False when there is none.
  func start(timeout: Int64?) -> Bool {
    // Each thread has a reference of its own, which it gives up at its end.
    let worker = Unmanaged.passRetained(self)
    let status = nsp_start_thread(
      { context in
        let request = Unmanaged<AddressRequest>.fromOpaque(context!).takeRetainedValue()
        let (chain, code) = request.query.resolve(request.process, silence: request.silence)
        request.finish(chain, code)
      }, worker.toOpaque())
    guard status == 0 else {
      worker.release()
      return false
    }
    guard let timeout, completion != nil else { return true }
    limit = timeout
    let timer = Unmanaged.passRetained(self)
    let isTimed =
      nsp_start_thread(
        { context in
          let request = Unmanaged<AddressRequest>.fromOpaque(context!).takeRetainedValue()
          if nsp_event_wait(request.done, request.limit) == 0 { request.finish(nil, Int32(WSAETIMEDOUT)) }
        }, timer.toOpaque()) == 0
    if !isTimed { timer.release() }
    return true
  }

  private var limit: Int64 = -1

  /// The first one counts; what comes later is let go of.
  /// - Returns: Whether this was the first.
  @discardableResult
  func finish(_ chain: UnsafeMutablePointer<ADDRINFOEXW>?, _ code: Int32) -> Bool {
    nsp_lock(lock)
    let isFirst = !isOver
    isOver = true
    if isFirst { outcome = (chain, code) }
    nsp_unlock(lock)
    guard isFirst else {
      AddressChain.free(chain)
      return false
    }
    process.forget(self)
    if let completion {
      // After the routine has begun, or the code is there, neither belongs to the library any more.
      completion.result.pointee = chain
      let overlapped = completion.overlapped
      if let routine = completion.routine {
        overlapped.pointee.Internal = ULONG_PTR(UInt32(bitPattern: code))
        routine(DWORD(bitPattern: code), 0, overlapped)
      } else {
        // Whoever looks at the code may free the overlapped at once; the event is known by its handle.
        nsp_store_release(&overlapped.pointee.Internal, ULONG_PTR(UInt32(bitPattern: code)))
        _ = nsp_signal_set(completion.event)
      }
    }
    nsp_event_set(done)
    return true
  }
}

extension DWORD {
  init(bitPattern code: Int32) { self = UInt32(truncatingIfNeeded: code) }
}
