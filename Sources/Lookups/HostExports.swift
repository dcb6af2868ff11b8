// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CWinsock
import Providers
import QuerySets
import Rundown

// The C doors of this room, for code of providers (nsp.md §5.8). Declared in ws2spi.h; logic lives in the Swift API.

@c @implementation
public func WSAProviderCompleteAsyncCall(_ hAsyncCall: HANDLE?, _ iRetCode: INT) -> INT {
  result(AsyncCall.complete(hAsyncCall, code: iRetCode))
}

@c @implementation
public func WSAAdvertiseProvider(_ puuidProviderId: UnsafePointer<GUID>?, _ pNSPv2Routine: LPCNSPV2_ROUTINE?) -> INT {
  guard let id = puuidProviderId?.pointee, let table = pNSPv2Routine else { return result(.invalidArgument) }
  guard let host = ProviderHost.owner(of: id) else { return result(.invalidProvider) }
  do { try host.advertise(id, table) } catch { return result(error) }
  return 0
}

@c @implementation
public func WSAUnadvertiseProvider(_ puuidProviderId: UnsafePointer<GUID>?) -> INT {
  guard let id = puuidProviderId?.pointee else { return result(.invalidArgument) }
  guard let host = ProviderHost.owner(of: id) else { return result(.invalidProvider) }
  do { try host.unadvertise(id) } catch { return result(error) }
  return 0
}

@c @implementation
public func NSPHostCurrentServiceClass(
  _ lpServiceClassId: LPGUID?, _ lpdwBufSize: LPDWORD?, _ lpServiceClassInfo: LPWSASERVICECLASSINFOW?
) -> INT {
  guard lpServiceClassId != nil || lpdwBufSize != nil else { return WSAEINVAL }
  guard let frame = CallFrame.current, let asked = frame.serviceClass else { return WSATYPE_NOT_FOUND }
  lpServiceClassId?.pointee = asked.id
  guard let size = lpdwBufSize else { return 0 }
  // Of a class that nobody knows there is its id.
  let known = asked.known(at: frame.provider) ?? ServiceClass(id: asked.id, name: "")
  do throws(QuerySetError) {
    try known.pack(into: UnsafeMutableRawBufferPointer(start: lpServiceClassInfo, count: Int(size.pointee)))
    return 0
  } catch {
    if case .bufferTooSmall(let needed) = error { size.pointee = UInt32(needed) }
    return error.winsockError.rawValue
  }
}

@c @implementation
public func WSASetEvent(_ hEvent: HANDLE?) -> BOOL {
  if ChangeNotice.set(Handle(hEvent)) { return 1 }
  WSASetLastError(WSA_INVALID_HANDLE)
  return 0
}

@c @implementation
public func NSPHostLog(_ hAsyncCall: HANDLE?, _ dwLevel: DWORD, _ lpszText: LPCSTR?) {
  guard let text = lpszText, let level = LogLevel(rawValue: min(dwLevel, LogLevel.error.rawValue)), HostLog.isOpen(for: level)
  else { return }
  let here = CallFrame.current
  let origin = hAsyncCall.flatMap { AsyncCall.origin(of: $0) }
  HostLog.write(
    level, provider: (origin?.provider ?? here?.provider)?.name ?? "a provider", query: origin?.query ?? here?.query,
    String(cString: text))
}

/// The result convention of the interface: 0, or `SOCKET_ERROR` with the code in the thread's last error.
private func result(_ error: WinsockError?) -> INT {
  guard let error else { return 0 }
  WSASetLastError(error.rawValue)
  return SOCKET_ERROR
}
