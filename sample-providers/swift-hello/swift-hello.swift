// Teaches a provider in Swift: C entry points with @c, and a manifest beside the file (swift-hello.toml).
// swiftc -emit-library -parse-as-library -O -I ../../Sources/ABI/CWinsock/include swift-hello.swift -o swift-hello.so
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CWinsock

/// The state of one lookup; its handle is a retained reference.
final class Lookup {
  let name: String
  var isDelivered = false
  init(name: String) { self.name = name }
}

@c @implementation
public func NSPv2LookupServiceBegin(
  _ lpProviderId: LPGUID?, _ lpqsRestrictions: LPWSAQUERYSET2W?, _ dwControlFlags: DWORD, _ lpvClientSessionArg: LPVOID?,
  _ lphLookup: LPHANDLE?
) -> INT {
  guard let name = lpqsRestrictions?.pointee.lpszServiceInstanceName, let lphLookup else {
    WSASetLastError(WSAEINVAL)
    return SOCKET_ERROR
  }
  // Retained here, released in NSPv2LookupServiceEnd.
  lphLookup.pointee = Unmanaged.passRetained(Lookup(name: String(decodingCString: name, as: UTF16.self))).toOpaque()
  return NO_ERROR
}

@c @implementation
public func NSPv2LookupServiceNextEx(
  _ hAsyncCall: HANDLE?, _ hLookup: HANDLE?, _ dwControlFlags: DWORD, _ lpdwBufferLength: LPDWORD?,
  _ lpqsResults: LPWSAQUERYSET2W?
) {
  let lookup = Unmanaged<Lookup>.fromOpaque(hLookup!).takeUnretainedValue()
  guard lookup.name == "swift", !lookup.isDelivered else {
    WSAProviderCompleteAsyncCall(hAsyncCall, lookup.isDelivered ? WSA_E_NO_MORE : WSASERVICE_NOT_FOUND)
    return
  }
  var name = Array(lookup.name.utf16) + [0]
  var comment = Array("Hello from Swift".utf16) + [0]
  let code = name.withUnsafeMutableBufferPointer { name in
    comment.withUnsafeMutableBufferPointer { comment in
      var record = WSAQUERYSET2W()
      record.dwSize = DWORD(MemoryLayout<WSAQUERYSET2W>.size)
      record.lpszServiceInstanceName = name.baseAddress
      record.lpszComment = comment.baseAddress
      return NSPHostPackQuerySet(&record, lpdwBufferLength, lpqsResults)
    }
  }
  lookup.isDelivered = code == NO_ERROR
  WSAProviderCompleteAsyncCall(hAsyncCall, code)
}

@c @implementation
public func NSPv2LookupServiceEnd(_ hLookup: HANDLE?) -> INT {
  // Retained in NSPv2LookupServiceBegin.
  Unmanaged<Lookup>.fromOpaque(hLookup!).release()
  return NO_ERROR
}
