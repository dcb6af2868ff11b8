// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CClientSystem
import CWinsock

// Events (winsock2.h).

@c @implementation
public func WSACreateEvent() -> HANDLE? {
  let handle = nsp_signal_create()
  if handle == 0 { WSASetLastError(Int32(WSA_NOT_ENOUGH_MEMORY)) }
  return HANDLE(bitPattern: handle)
}

@c @implementation
public func WSACloseEvent(_ hEvent: HANDLE?) -> BOOL { isDone(nsp_signal_close(UInt(bitPattern: hEvent))) }

@c @implementation
public func WSASetEvent(_ hEvent: HANDLE?) -> BOOL { isDone(nsp_signal_set(UInt(bitPattern: hEvent))) }

@c @implementation
public func WSAResetEvent(_ hEvent: HANDLE?) -> BOOL { isDone(nsp_signal_reset(UInt(bitPattern: hEvent))) }

private func isDone(_ status: Int32) -> BOOL {
  if status != 0 { WSASetLastError(Int32(WSA_INVALID_HANDLE)) }
  return status == 0 ? 1 : 0
}

@c @implementation
public func WSAWaitForMultipleEvents(
  _ cEvents: DWORD, _ lphEvents: UnsafePointer<HANDLE?>?, _ fWaitAll: BOOL, _ dwTimeout: DWORD, _ fAlertable: BOOL
) -> DWORD {
  guard let events = lphEvents, cEvents > 0, cEvents <= DWORD(WSA_MAXIMUM_WAIT_EVENTS) else {
    WSASetLastError(Int32(WSA_INVALID_PARAMETER))
    return .max
  }
  let found = events.withMemoryRebound(to: UnsafeRawPointer?.self, capacity: Int(cEvents)) {
    nsp_signal_wait($0, cEvents, fWaitAll, dwTimeout == DWORD.max ? -1 : Int64(dwTimeout))
  }
  if found < 0 { WSASetLastError(Int32(WSA_INVALID_HANDLE)) }
  return found < 0 ? .max : found == NSP_SIGNALS_AT_ONCE ? DWORD(WAIT_TIMEOUT) : DWORD(found)
}
