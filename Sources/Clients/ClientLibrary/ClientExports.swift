// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CClientSystem
import CWinsock

// The client API (winsock2.h), over the host's socket.

/// Leaves a code in the last error.
func fail(_ code: Int32) -> INT {
  WSASetLastError(code)
  return SOCKET_ERROR
}

/// Has a request done that answers nothing more: zero, or `SOCKET_ERROR` with the code in the last error.
func done(_ request: inout FrameWriter, by process: Process) -> INT {
  let code = process.status(&request)
  return code == 0 ? 0 : fail(code)
}

/// This process, if it was started.
func started() -> Process? {
  let process = Process.current
  return process.isStarted ? process : nil
}

// MARK: Starting and ending

@c @implementation
public func WSAStartup(_ wVersionRequested: WORD, _ lpWSAData: LPWSADATA?) -> Int32 {
  guard let data = lpWSAData else { return Int32(WSAEFAULT) }
  guard wVersionRequested & 0xFF != 0 else { return Int32(WSAVERNOTSUPPORTED) }
  // Compared as major, minor.
  let asked = wVersionRequested << 8 | wVersionRequested >> 8
  memset(data, 0, MemoryLayout<WSADATA>.size)
  data.pointee.wVersion = asked < 0x0202 ? wVersionRequested : 0x0202
  data.pointee.wHighVersion = 0x0202
  Process.current.start()
  return 0
}

@c @implementation
public func WSACleanup() -> Int32 { Process.current.cleanup() ? 0 : fail(Int32(WSANOTINITIALISED)) }

// MARK: Lookups

@c @implementation
public func WSALookupServiceBeginW(
  _ lpqsRestrictions: LPWSAQUERYSETW?, _ dwControlFlags: DWORD, _ lphLookup: LPHANDLE?
) -> INT { begin(lpqsRestrictions.map { UnsafeRawPointer($0) }, .wide, dwControlFlags, lphLookup) }

@c @implementation
public func WSALookupServiceBeginA(
  _ lpqsRestrictions: LPWSAQUERYSETA?, _ dwControlFlags: DWORD, _ lphLookup: LPHANDLE?
) -> INT { begin(lpqsRestrictions.map { UnsafeRawPointer($0) }, .narrow, dwControlFlags, lphLookup) }

private func begin(_ restrictions: UnsafeRawPointer?, _ form: TextForm, _ flags: DWORD, _ out: LPHANDLE?) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let restrictions, let out else { return fail(Int32(WSAEFAULT)) }
  out.pointee = nil
  var request = BeginRequest(flags: flags, owners: .asConfigured).frame(request: 1)
  let malformed = QuerySetCopy.append(restrictions, form, for: .lookup, to: &request)
  guard malformed == 0 else { return fail(malformed) }
  let (answer, epoch) = process.ask(&request)
  switch answer {
  case .failed(let code): return fail(code)
  case .frame(let payload, let status):
    let handle = payload.withUnsafeBytes { LookupHandle($0)?.handle }
    guard status == 0, let handle else { return fail(status == 0 ? Int32(WSASYSCALLFAILURE) : status) }
    out.pointee = process.open(OpenLookup(remote: handle, epoch: epoch))
    return out.pointee == nil ? fail(Int32(WSA_NOT_ENOUGH_MEMORY)) : 0
  }
}

@c @implementation
public func WSALookupServiceNextW(
  _ hLookup: HANDLE?, _ dwControlFlags: DWORD, _ lpdwBufferLength: LPDWORD?, _ lpqsResults: LPWSAQUERYSETW?
) -> INT { next(hLookup, dwControlFlags, lpdwBufferLength, lpqsResults.map { UnsafeMutableRawPointer($0) }, .wide) }

@c @implementation
public func WSALookupServiceNextA(
  _ hLookup: HANDLE?, _ dwControlFlags: DWORD, _ lpdwBufferLength: LPDWORD?, _ lpqsResults: LPWSAQUERYSETA?
) -> INT { next(hLookup, dwControlFlags, lpdwBufferLength, lpqsResults.map { UnsafeMutableRawPointer($0) }, .narrow) }

private func next(
  _ handle: HANDLE?, _ flags: DWORD, _ length: LPDWORD?, _ results: UnsafeMutableRawPointer?, _ form: TextForm
) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let lookup = process.lookup(handle) else { return fail(Int32(WSA_INVALID_HANDLE)) }
  guard let length else { return fail(Int32(WSAEFAULT)) }
  lookup.takeTurn()
  defer { lookup.passTurn() }
  if flags & DWORD(LUP_FLUSHPREVIOUS) != 0 { lookup.kept = nil }
  if lookup.kept == nil {
    var request = NextRequest(handle: lookup.remote, flags: flags).frame(request: 1)
    switch process.ask(&request, epoch: lookup.epoch).0 {
    case .failed(let code): return fail(code)
    case .frame(let record, let status):
      guard status == 0 else { return fail(status) }
      lookup.kept = record
    }
  }
  guard let record = lookup.kept,
    let needed = QuerySetCopy.size(of: record, form, padding: CallerPacking.padding(of: results))
  else {
    lookup.kept = nil
    return fail(Int32(WSASYSCALLFAILURE))
  }
  guard let results, Int(length.pointee) >= needed else {
    length.pointee = DWORD(needed)
    return fail(Int32(WSAEFAULT))
  }
  lookup.kept = nil
  return QuerySetCopy.write(record, form, to: results) ? 0 : fail(Int32(WSASYSCALLFAILURE))
}

@c @implementation
public func WSALookupServiceEnd(_ hLookup: HANDLE?) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let lookup = process.end(hLookup) else { return fail(Int32(WSA_INVALID_HANDLE)) }
  var request = LookupHandle(lookup.remote).frame(request: 1)
  // It is over for the client, whatever the host says.
  _ = process.ask(&request, epoch: lookup.epoch)
  return 0
}

// MARK: Registrations

@c @implementation
public func WSASetServiceW(_ lpqsRegInfo: LPWSAQUERYSETW?, _ essoperation: WSAESETSERVICEOP, _ dwControlFlags: DWORD) -> INT {
  setService(lpqsRegInfo.map { UnsafeRawPointer($0) }, .wide, essoperation, dwControlFlags)
}

@c @implementation
public func WSASetServiceA(_ lpqsRegInfo: LPWSAQUERYSETA?, _ essoperation: WSAESETSERVICEOP, _ dwControlFlags: DWORD) -> INT {
  setService(lpqsRegInfo.map { UnsafeRawPointer($0) }, .narrow, essoperation, dwControlFlags)
}

func setService(_ info: UnsafeRawPointer?, _ form: TextForm, _ operation: WSAESETSERVICEOP, _ flags: DWORD) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let info else { return fail(Int32(WSAEFAULT)) }
  guard info.load(as: UInt32.self) >= UInt32(SelfRelative.headSize),
    info.load(fromByteOffset: SelfRelative.Field.name, as: UInt.self) != 0, operation.rawValue <= RNRSERVICE_DELETE.rawValue
  else { return fail(Int32(WSAEINVAL)) }
  var request = SetServiceRequest(operation: UInt32(operation.rawValue), flags: flags).frame(request: 1)
  let malformed = QuerySetCopy.append(info, form, for: .registration, to: &request)
  guard malformed == 0 else { return fail(malformed) }
  return done(&request, by: process)
}
