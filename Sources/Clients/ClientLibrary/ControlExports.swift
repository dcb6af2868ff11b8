// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CClientSystem
import CThreads
import CWinsock

// Control of lookups (winsock2.h), with what it takes to be told of a change later.

/// How a caller wants to be told, once.
private struct WSACompletion {
  var overlapped: LPWSAOVERLAPPED
  var routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE?
  /// Set where there is no routine.
  var event: UInt = 0

  /// Nil where the caller only asks. A code for what can't be done.
  static func wanted(_ given: LPWSACOMPLETION?) -> (WSACompletion?, failure: Int32) {
    guard let given = given?.pointee else { return (nil, 0) }
    switch given.Type {
    case NSP_NOTIFY_IMMEDIATELY: return (nil, 0)
    case NSP_NOTIFY_EVENT:
      let event = given.Parameters.Event.lpOverlapped.map { UInt(bitPattern: $0.pointee.hEvent) } ?? 0
      guard let overlapped = given.Parameters.Event.lpOverlapped, nsp_signal_is(event) != 0 else {
        return (nil, Int32(WSAEINVAL))
      }
      return (WSACompletion(overlapped: overlapped, event: event), 0)
    case NSP_NOTIFY_APC:
      guard let overlapped = given.Parameters.Apc.lpOverlapped, let routine = given.Parameters.Apc.lpfnCompletionProc else {
        return (nil, Int32(WSAEINVAL))
      }
      return (WSACompletion(overlapped: overlapped, routine: routine), 0)
    default: return (nil, Int32(WSAEOPNOTSUPP))
    }
  }

  func complete(_ code: Int32) {
    // After the routine has begun, or the code is there, neither belongs to the library any more.
    if let routine {
      overlapped.pointee.Internal = ULONG_PTR(UInt32(bitPattern: code))
      routine(DWORD(bitPattern: code), 0, overlapped, 0)
    } else {
      nsp_store_release(&overlapped.pointee.Internal, ULONG_PTR(UInt32(bitPattern: code)))
      _ = nsp_signal_set(event)
    }
  }
}

/// A change that is waited for, on a thread of its own.
private final class PendingControl {
  private let process: Process
  private let connection: Int32
  private let completion: WSACompletion

  init(_ process: Process, _ connection: Int32, _ completion: WSACompletion) {
    (self.process, self.connection, self.completion) = (process, connection, completion)
  }

  /// False when there is no thread for it.
  func start() -> Bool {
    // The thread's own reference, which it gives up at its end.
    let retained = Unmanaged.passRetained(self)
    let status = nsp_start_thread(
      { context in Unmanaged<PendingControl>.fromOpaque(context!).takeRetainedValue().run() }, retained.toOpaque())
    if status != 0 { retained.release() }
    return status == 0
  }

  private func run() {
    switch process.awaitAnswer(connection) {
    case .frame(_, let status)?: completion.complete(status)
    // The host, or this process's session, is gone, and the lookup with it.
    case .failed?, nil: completion.complete(Int32(WSA_OPERATION_ABORTED))
    }
  }
}

@c @implementation
public func WSANSPIoctl(
  _ hLookup: HANDLE?, _ dwControlCode: DWORD, _ lpvInBuffer: LPVOID?, _ cbInBuffer: DWORD, _ lpvOutBuffer: LPVOID?,
  _ cbOutBuffer: DWORD, _ lpcbBytesReturned: LPDWORD?, _ lpCompletion: LPWSACOMPLETION?
) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let lookup = process.lookup(hLookup) else { return fail(Int32(WSA_INVALID_HANDLE)) }
  // This code has no use for buffers, whatever they are.
  let usesBuffers = dwControlCode != DWORD(SIO_NSP_NOTIFY_CHANGE)
  let (cbInBuffer, cbOutBuffer) = usesBuffers ? (cbInBuffer, cbOutBuffer) : (0, 0)
  guard let returned = lpcbBytesReturned, cbInBuffer == 0 || lpvInBuffer != nil, cbOutBuffer == 0 || lpvOutBuffer != nil else {
    return fail(Int32(WSAEFAULT))
  }
  let (completion, failure) = WSACompletion.wanted(lpCompletion)
  guard failure == 0 else { return fail(failure) }
  // More than any host takes is not copied first.
  guard cbInBuffer <= 1 << 19 else { return fail(Int32(WSAEINVAL)) }
  var question = IoctlRequest()
  (question.handle, question.code, question.waits) = (lookup.remote, dwControlCode, completion == nil ? 0 : 1)
  (question.outputSize, question.inputSize) = (cbOutBuffer, cbInBuffer)
  var request = question.frame(request: 1)
  request.append(UnsafeRawBufferPointer(start: lpvInBuffer, count: Int(cbInBuffer)))
  // A program that looks at it sees that it goes on, however soon it ends.
  completion?.overlapped.pointee.Internal = ULONG_PTR(WSA_IO_PENDING)
  let (answer, connection) = process.askTwice(&request, epoch: lookup.epoch)
  switch answer {
  case .failed(let code):
    completion?.overlapped.pointee.Internal = ULONG_PTR(UInt32(bitPattern: code))
    return fail(code)
  case .frame(let payload, let status):
    if connection >= 0 {
      guard let completion, PendingControl(process, connection, completion).start() else {
        process.letGo(connection)
        completion?.overlapped.pointee.Internal = ULONG_PTR(WSA_NOT_ENOUGH_MEMORY)
        return fail(Int32(WSA_NOT_ENOUGH_MEMORY))
      }
      return fail(Int32(WSA_IO_PENDING))
    }
    completion?.overlapped.pointee.Internal = ULONG_PTR(UInt32(bitPattern: status))
    guard status == 0 else { return fail(status) }
    payload.withUnsafeBytes { bytes in
      var fields = FieldReader(bytes)
      returned.pointee = 0
      guard let answer = IoctlAnswer(&fields), case let count = min(Int(answer.size), Int(cbOutBuffer)),
        let output = fields.bytes(count), count > 0, let target = lpvOutBuffer
      else { return }
      target.copyMemory(from: output.baseAddress!, byteCount: count)
      returned.pointee = DWORD(count)
    }
    return 0
  }
}

// MARK: Changes of the catalog

@c @implementation
public func WSAProviderConfigChange(
  _ lpNotificationHandle: LPHANDLE?, _ lpOverlapped: LPWSAOVERLAPPED?,
  _ lpCompletionRoutine: LPWSAOVERLAPPED_COMPLETION_ROUTINE?
) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let place = lpNotificationHandle else { return fail(Int32(WSAEINVAL)) }
  guard let handle = place.pointee else {
    var request = changeRequest(waits: false)
    guard done(&request, by: process) == 0 else { return SOCKET_ERROR }
    // Known by what closes it: an event that nobody sets.
    guard let made = WSACreateEvent() else { return SOCKET_ERROR }
    place.pointee = made
    return 0
  }
  guard nsp_signal_is(UInt(bitPattern: handle)) != 0 else { return fail(Int32(WSA_INVALID_HANDLE)) }
  var completion: WSACompletion?
  if let overlapped = lpOverlapped {
    let event = UInt(bitPattern: overlapped.pointee.hEvent)
    guard lpCompletionRoutine != nil || nsp_signal_is(event) != 0 else { return fail(Int32(WSAEINVAL)) }
    completion = WSACompletion(overlapped: overlapped, routine: lpCompletionRoutine, event: event)
    overlapped.pointee.Internal = ULONG_PTR(WSA_IO_PENDING)
  } else if lpCompletionRoutine != nil {
    return fail(Int32(WSAEINVAL))
  }
  var request = changeRequest(waits: true)
  let (answer, connection) = process.askTwice(&request, epoch: nil)
  guard connection >= 0 else {
    let code =
      switch answer {
      case .failed(let code): code
      case .frame(_, let status): status != 0 ? status : Int32(WSASYSCALLFAILURE)
      }
    completion?.overlapped.pointee.Internal = ULONG_PTR(UInt32(bitPattern: code))
    return fail(code)
  }
  guard let completion else {
    // No deadline: the next change may be far away.
    guard case .frame(_, 0)? = process.awaitAnswer(connection) else { return fail(Int32(WSA_OPERATION_ABORTED)) }
    return 0
  }
  guard PendingControl(process, connection, completion).start() else {
    process.letGo(connection)
    completion.overlapped.pointee.Internal = ULONG_PTR(WSA_NOT_ENOUGH_MEMORY)
    return fail(Int32(WSA_NOT_ENOUGH_MEMORY))
  }
  return fail(Int32(WSA_IO_PENDING))
}

private func changeRequest(waits: Bool) -> FrameWriter {
  CatalogChangeRequest(waits: waits).frame(request: 1)
}
