// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CClientSystem
import CWinsock

// Addresses by name (ws2tcpip.h). These return their code, and leave the same in the last error.

private func answer(_ code: Int32) -> INT {
  WSASetLastError(code)
  return code
}

@c @implementation
public func GetAddrInfoExW(
  _ pName: PCWSTR?, _ pServiceName: PCWSTR?, _ dwNameSpace: DWORD, _ lpNspId: LPGUID?, _ hints: UnsafePointer<ADDRINFOEXW>?,
  _ ppResult: UnsafeMutablePointer<PADDRINFOEXW?>?, _ timeout: UnsafeMutablePointer<timeval>?, _ lpOverlapped: LPOVERLAPPED?,
  _ lpCompletionRoutine: LPLOOKUPSERVICE_COMPLETION_ROUTINE?, _ lpHandle: LPHANDLE?
) -> INT {
  let process = Process.current
  guard process.isStarted else { return answer(Int32(WSANOTINITIALISED)) }
  guard let result = ppResult else { return answer(Int32(WSAEINVAL)) }
  result.pointee = nil
  guard lpOverlapped != nil || lpCompletionRoutine == nil && lpHandle == nil else { return answer(Int32(WSAEINVAL)) }
  let event = UInt(bitPattern: lpOverlapped?.pointee.hEvent)
  if lpOverlapped != nil {
    guard lpCompletionRoutine != nil ? event == 0 : nsp_signal_stays(event) != 0 else { return answer(Int32(WSAEINVAL)) }
  }
  let (made, code) = AddressQuery.make(pName, pServiceName, dwNameSpace, lpNspId, hints, .wide)
  guard let query = made else { return answer(code) }
  // In microseconds; more than a century is for ever, and less than nothing is over.
  let limit = timeout.map { time in
    max(0, min(Int64(time.pointee.tv_sec), 1 << 32)) * 1_000_000 + max(0, min(Int64(time.pointee.tv_usec), 1 << 40))
  }
  if let overlapped = lpOverlapped {
    let request = AddressRequest(
      query, process, .init(result: result, overlapped: overlapped, routine: lpCompletionRoutine, event: event), limit: limit)
    overlapped.pointee.Internal = ULONG_PTR(WSAEINPROGRESS)
    overlapped.pointee.Pointer = PVOID(result)
    process.keep(request)
    lpHandle?.pointee = HANDLE(bitPattern: request.handle)
    guard request.start(timeout: limit) else {
      process.forget(request)
      return answer(Int32(WSA_NOT_ENOUGH_MEMORY))
    }
    return answer(Int32(WSA_IO_PENDING))
  }
  guard let limit else {
    let (chain, code) = query.resolve(process)
    result.pointee = chain
    return answer(code)
  }
  let request = AddressRequest(query, process, nil, limit: limit)
  guard request.start(timeout: nil) else { return answer(Int32(WSA_NOT_ENOUGH_MEMORY)) }
  // Too late: what still comes is let go of.
  if nsp_event_wait(request.done, limit) == 0, request.finish(nil, Int32(WSAETIMEDOUT)) { return answer(Int32(WSAETIMEDOUT)) }
  _ = nsp_event_wait(request.done, -1)
  result.pointee = request.outcome.chain
  return answer(request.outcome.code)
}

@c @implementation
public func GetAddrInfoExA(
  _ pName: PCSTR?, _ pServiceName: PCSTR?, _ dwNameSpace: DWORD, _ lpNspId: LPGUID?, _ hints: UnsafePointer<ADDRINFOEXA>?,
  _ ppResult: UnsafeMutablePointer<PADDRINFOEXA?>?, _ timeout: UnsafeMutablePointer<timeval>?, _ lpOverlapped: LPOVERLAPPED?,
  _ lpCompletionRoutine: LPLOOKUPSERVICE_COMPLETION_ROUTINE?, _ lpNameHandle: LPHANDLE?
) -> INT {
  let process = Process.current
  guard process.isStarted else { return answer(Int32(WSANOTINITIALISED)) }
  guard let result = ppResult, timeout == nil, lpOverlapped == nil, lpCompletionRoutine == nil, lpNameHandle == nil else {
    return answer(Int32(WSAEINVAL))
  }
  result.pointee = nil
  let (made, code) = AddressQuery.make(pName, pServiceName, dwNameSpace, lpNspId, hints, .narrow)
  guard let query = made else { return answer(code) }
  let (chain, ending) = query.resolve(process)
  result.pointee = chain.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: ADDRINFOEXA.self) }
  return answer(ending)
}

@c @implementation
public func GetAddrInfoExCancel(_ lpHandle: LPHANDLE?) -> INT {
  guard let handle = lpHandle?.pointee, let request = Process.current.request(UInt(bitPattern: handle)),
    request.finish(nil, Int32(WSA_E_CANCELLED))
  else { return answer(Int32(WSA_INVALID_HANDLE)) }
  return answer(0)
}

@c @implementation
public func GetAddrInfoExOverlappedResult(_ lpOverlapped: LPOVERLAPPED?) -> INT {
  guard let overlapped = lpOverlapped else { return answer(Int32(WSAEINVAL)) }
  return Int32(truncatingIfNeeded: nsp_load_acquire(&overlapped.pointee.Internal))
}

@c @implementation
public func FreeAddrInfoExW(_ pAddrInfoEx: PADDRINFOEXW?) { AddressChain.free(pAddrInfoEx) }

@c @implementation
public func FreeAddrInfoEx(_ pAddrInfoEx: PADDRINFOEXA?) {
  AddressChain.free(pAddrInfoEx.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: ADDRINFOEXW.self) })
}

// MARK: Registering

@c @implementation
public func SetAddrInfoExW(
  _ pName: PCWSTR?, _ pServiceName: PCWSTR?, _ pAddresses: UnsafeMutablePointer<SOCKET_ADDRESS>?, _ dwAddressCount: DWORD,
  _ lpBlob: LPBLOB?, _ dwFlags: DWORD, _ dwNameSpace: DWORD, _ lpNspId: LPGUID?, _ timeout: UnsafeMutablePointer<timeval>?,
  _ lpOverlapped: LPOVERLAPPED?, _ lpCompletionRoutine: LPLOOKUPSERVICE_COMPLETION_ROUTINE?, _ lpNameHandle: LPHANDLE?
) -> INT {
  register(
    AddressRegistration(
      name: pName, service: pServiceName, nameSpace: dwNameSpace, provider: lpNspId, blob: lpBlob, flags: dwFlags, form: .wide),
    pAddresses, dwAddressCount,
    isAtOnce: timeout == nil && lpOverlapped == nil && lpCompletionRoutine == nil && lpNameHandle == nil)
}

@c @implementation
public func SetAddrInfoExA(
  _ pName: PCSTR?, _ pServiceName: PCSTR?, _ pAddresses: UnsafeMutablePointer<SOCKET_ADDRESS>?, _ dwAddressCount: DWORD,
  _ lpBlob: LPBLOB?, _ dwFlags: DWORD, _ dwNameSpace: DWORD, _ lpNspId: LPGUID?, _ timeout: UnsafeMutablePointer<timeval>?,
  _ lpOverlapped: LPOVERLAPPED?, _ lpCompletionRoutine: LPLOOKUPSERVICE_COMPLETION_ROUTINE?, _ lpNameHandle: LPHANDLE?
) -> INT {
  register(
    AddressRegistration(
      name: pName, service: pServiceName, nameSpace: dwNameSpace, provider: lpNspId, blob: lpBlob, flags: dwFlags, form: .narrow),
    pAddresses, dwAddressCount,
    isAtOnce: timeout == nil && lpOverlapped == nil && lpCompletionRoutine == nil && lpNameHandle == nil)
}

/// What a name is registered with; texts are in the caller's form.
private struct AddressRegistration {
  var name: UnsafeRawPointer?
  var service: UnsafeRawPointer?
  var nameSpace: DWORD
  var provider: LPGUID?
  var blob: LPBLOB?
  var flags: DWORD
  var form: TextForm
}

/// Local and remote address are the one that is given.
private func register(
  _ registration: AddressRegistration, _ addresses: UnsafeMutablePointer<SOCKET_ADDRESS>?, _ count: DWORD, isAtOnce: Bool
) -> INT {
  guard Process.current.isStarted else { return answer(Int32(WSANOTINITIALISED)) }
  guard isAtOnce, let name = registration.name else { return answer(Int32(WSAEINVAL)) }
  guard count <= DWORD(SelfRelative.maximumAddresses), count == 0 || addresses != nil else { return answer(Int32(WSAEINVAL)) }
  var given: [CSADDR_INFO] = []
  if let addresses {
    for index in 0..<Int(count) {
      given.append(CSADDR_INFO(LocalAddr: addresses[index], RemoteAddr: addresses[index], iSocketType: 0, iProtocol: 0))
    }
  }
  // Both forms have one layout.
  var set = WSAQUERYSETW()
  set.dwSize = DWORD(MemoryLayout<WSAQUERYSETW>.size)
  set.lpszServiceInstanceName = UnsafeMutableRawPointer(mutating: name).assumingMemoryBound(to: WCHAR.self)
  set.lpszContext = registration.service.map { UnsafeMutableRawPointer(mutating: $0).assumingMemoryBound(to: WCHAR.self) }
  set.dwNameSpace = registration.nameSpace
  set.lpNSProviderId = registration.provider
  set.lpBlob = registration.blob
  set.dwNumberOfCsAddrs = count
  let operation = count > 0 ? RNRSERVICE_REGISTER : RNRSERVICE_DEREGISTER
  let status = given.withUnsafeMutableBufferPointer { buffer in
    set.lpcsaBuffer = count > 0 ? buffer.baseAddress : nil
    return withUnsafePointer(to: &set) { setService(UnsafeRawPointer($0), registration.form, operation, registration.flags) }
  }
  return answer(status == 0 ? 0 : WSAGetLastError())
}
