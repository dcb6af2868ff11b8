// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CClientSystem
import CWinsock

// Service classes (winsock2.h).

@c @implementation
public func WSAInstallServiceClassW(_ lpServiceClassInfo: LPWSASERVICECLASSINFOW?) -> INT {
  install(lpServiceClassInfo.map { UnsafeRawPointer($0) }, .wide)
}

@c @implementation
public func WSAInstallServiceClassA(_ lpServiceClassInfo: LPWSASERVICECLASSINFOA?) -> INT {
  install(lpServiceClassInfo.map { UnsafeRawPointer($0) }, .narrow)
}

private func install(_ info: UnsafeRawPointer?, _ form: TextForm) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  var request = FrameWriter(RequestKind.installClass.rawValue, request: 1)
  guard let info, ServiceClassCopy.append(info, form, to: &request) else { return fail(Int32(WSAEINVAL)) }
  return done(&request, by: process)
}

@c @implementation
public func WSARemoveServiceClass(_ lpServiceClassId: LPGUID?) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let id = lpServiceClassId else { return fail(Int32(WSAEINVAL)) }
  var request = ClassRequest(id: WireID(id.pointee)).frame(request: 1)
  return done(&request, by: process)
}

@c @implementation
public func WSAGetServiceClassInfoW(
  _ lpProviderId: LPGUID?, _ lpServiceClassId: LPGUID?, _ lpdwBufSize: LPDWORD?, _ lpServiceClassInfo: LPWSASERVICECLASSINFOW?
) -> INT { info(lpProviderId, lpServiceClassId, lpdwBufSize, lpServiceClassInfo.map { UnsafeMutableRawPointer($0) }, .wide) }

@c @implementation
public func WSAGetServiceClassInfoA(
  _ lpProviderId: LPGUID?, _ lpServiceClassId: LPGUID?, _ lpdwBufSize: LPDWORD?, _ lpServiceClassInfo: LPWSASERVICECLASSINFOA?
) -> INT { info(lpProviderId, lpServiceClassId, lpdwBufSize, lpServiceClassInfo.map { UnsafeMutableRawPointer($0) }, .narrow) }

private func info(
  _ provider: LPGUID?, _ id: LPGUID?, _ size: LPDWORD?, _ target: UnsafeMutableRawPointer?, _ form: TextForm
) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let provider, let id, let size, let target else { return fail(Int32(WSAEINVAL)) }
  var request = ClassInfoRequest(provider: WireID(provider.pointee), id: WireID(id.pointee)).frame(request: 1)
  switch process.ask(&request).0 {
  case .failed(let code): return fail(code)
  case .frame(let record, let status):
    guard status == 0 else { return fail(status) }
    let room = Int(size.pointee)
    guard let needed = ServiceClassCopy.write(record, form, to: target, room) else { return fail(Int32(WSASYSCALLFAILURE)) }
    guard needed <= room else {
      size.pointee = DWORD(needed)
      return fail(Int32(WSAEFAULT))
    }
    return 0
  }
}

@c @implementation
public func WSAGetServiceClassNameByClassIdW(
  _ lpServiceClassId: LPGUID?, _ lpszServiceClassName: LPWSTR?, _ lpdwBufferLength: LPDWORD?
) -> INT {
  name(lpServiceClassId, lpdwBufferLength) { units, room in
    guard let target = lpszServiceClassName, units.count <= room else { return (units.count, false) }
    // By bytes: the caller's buffer may begin anywhere.
    units.withUnsafeBytes { UnsafeMutableRawPointer(target).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    return (units.count, true)
  }
}

@c @implementation
public func WSAGetServiceClassNameByClassIdA(
  _ lpServiceClassId: LPGUID?, _ lpszServiceClassName: LPSTR?, _ lpdwBufferLength: LPDWORD?
) -> INT {
  name(lpServiceClassId, lpdwBufferLength) { units, room in
    units.withUnsafeBufferPointer { units in
      let source = units.baseAddress!  // There is a NUL at least.
      let needed = narrow(source, into: nil)
      guard let target = lpszServiceClassName, needed <= room else { return (needed, false) }
      _ = narrow(source, into: UnsafeMutableRawPointer(target).assumingMemoryBound(to: UInt8.self))
      return (needed, true)
    }
  }
}

/// The length that is stored is that of the name in either case (nsp.md §7.2).
/// - Parameter write: Writes the name, which ends with a NUL, where there is room for so many characters; answers how many it has.
private func name(_ id: LPGUID?, _ length: LPDWORD?, _ write: ([UInt16], Int) -> (count: Int, isWritten: Bool)) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let id else { return fail(Int32(WSA_INVALID_PARAMETER)) }
  guard let length else { return fail(Int32(WSAEFAULT)) }
  var request = ClassNameRequest(id: WireID(id.pointee)).frame(request: 1)
  switch process.ask(&request).0 {
  case .failed(let code): return fail(code)
  case .frame(let payload, let status):
    guard status == 0 else { return fail(status) }
    var units: [UInt16] = []
    payload.withUnsafeBytes { bytes in
      var fields = FieldReader(bytes)
      guard let count = ClassNameAnswer(&fields)?.units, fields.rest.count >= Int(count) * 2 else { return }
      for _ in 0..<count { units.append(fields.uint16() ?? 0) }
    }
    units.append(0)
    let (count, isWritten) = write(units, Int(length.pointee))
    length.pointee = DWORD(count)
    return isWritten ? 0 : fail(Int32(WSAEFAULT))
  }
}
