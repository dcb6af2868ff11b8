// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CWinsock

// Providers that live in this process (ws2spi.h, nsp.md §5.8).

/// A provider of a program, served over connections of its session.
final class LibraryAdvertisement: Advertisement, @unchecked Sendable {
  // Unchecked, as what it inherits.
  override func connect() -> (descriptor: Int32, failure: Int32) { Process.current.open() }
}

@c @implementation
public func WSAAdvertiseProvider(_ puuidProviderId: UnsafePointer<GUID>?, _ pNSPv2Routine: LPCNSPV2_ROUTINE?) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let id = puuidProviderId?.pointee, let table = pNSPv2Routine else { return fail(Int32(WSAEINVAL)) }
  guard let routines = NSPV2_ROUTINE(copying: table), routines.isComplete else { return fail(Int32(WSAEINVAL)) }
  let code = process.advertise(id, routines)
  return code == 0 ? 0 : fail(code == Int32(WSAENETDOWN) ? Int32(WSAEFAULT) : code)
}

@c @implementation
public func WSAUnadvertiseProvider(_ puuidProviderId: UnsafePointer<GUID>?) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let id = puuidProviderId?.pointee else { return fail(Int32(WSAEINVAL)) }
  let code = process.unadvertise(id)
  return code == 0 ? 0 : fail(code)
}

@c @implementation
public func NSPHostChanged(_ lpProviderId: UnsafePointer<GUID>?, _ lpszName: LPCWSTR?) -> INT {
  guard let id = lpProviderId?.pointee else { return Int32(WSAEINVAL) }
  guard let text = lpszName else { return Process.current.changed(id, nil) }
  guard let name = units(text, .wide, limit: 32_768) else { return Int32(WSAEINVAL) }
  return Process.current.changed(id, name)
}

@c @implementation
public func WSAProviderCompleteAsyncCall(_ hAsyncCall: HANDLE?, _ iRetCode: INT) -> INT {
  // Before anything else can change the completing thread's last error.
  guard hAsyncCall != nil else { return fail(Int32(WSAEINVAL)) }
  guard Process.current.isStarted else { return fail(Int32(WSANOTINITIALISED)) }
  let code = PendingCalls.shared.complete(hAsyncCall, iRetCode)
  return code == 0 ? 0 : fail(code)
}
