// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CClientSystem
import CWinsock

// The catalog of providers: listed (winsock2.h) and changed (ws2spi.h).

// MARK: Listing

@c @implementation
public func WSAEnumNameSpaceProvidersW(_ lpdwBufferLength: LPDWORD?, _ lpnspBuffer: LPWSANAMESPACE_INFOW?) -> INT {
  enumerate(lpdwBufferLength, lpnspBuffer.map { UnsafeMutableRawPointer($0) }, .wide, MemoryLayout<WSANAMESPACE_INFOW>.size)
}

@c @implementation
public func WSAEnumNameSpaceProvidersA(_ lpdwBufferLength: LPDWORD?, _ lpnspBuffer: LPWSANAMESPACE_INFOA?) -> INT {
  enumerate(lpdwBufferLength, lpnspBuffer.map { UnsafeMutableRawPointer($0) }, .narrow, MemoryLayout<WSANAMESPACE_INFOA>.size)
}

@c @implementation
public func WSAEnumNameSpaceProvidersExW(_ lpdwBufferLength: LPDWORD?, _ lpnspBuffer: LPWSANAMESPACE_INFOEXW?) -> INT {
  enumerate(lpdwBufferLength, lpnspBuffer.map { UnsafeMutableRawPointer($0) }, .wide, MemoryLayout<WSANAMESPACE_INFOEXW>.size)
}

@c @implementation
public func WSAEnumNameSpaceProvidersExA(_ lpdwBufferLength: LPDWORD?, _ lpnspBuffer: LPWSANAMESPACE_INFOEXA?) -> INT {
  enumerate(lpdwBufferLength, lpnspBuffer.map { UnsafeMutableRawPointer($0) }, .narrow, MemoryLayout<WSANAMESPACE_INFOEXA>.size)
}

/// The array first, then blobs and names; both forms of the structure are laid out alike.
private func enumerate(_ length: LPDWORD?, _ buffer: UnsafeMutableRawPointer?, _ form: TextForm, _ size: Int) -> INT {
  guard let process = started() else { return fail(Int32(WSANOTINITIALISED)) }
  guard let length else { return fail(Int32(WSAEFAULT)) }
  var request = FrameWriter(RequestKind.enumerate.rawValue, request: 1)
  switch process.ask(&request).0 {
  case .failed(let code): return fail(code)
  case .frame(let payload, let status):
    guard status == 0 else { return fail(status) }
    let padding = CallerPacking.padding(of: buffer)
    guard let (needed, count) = lay(payload, form, size, nil, padding) else { return fail(Int32(WSASYSCALLFAILURE)) }
    guard let buffer, Int(length.pointee) >= needed else {
      length.pointee = DWORD(needed)
      return fail(Int32(WSAEFAULT))
    }
    _ = lay(payload, form, size, buffer, padding)
    return INT(count)
  }
}

/// Lays the answer out, or measures it only. Nil when it can't be read.
/// - Parameter padding: Between the array and what it points to, in a buffer that begins at no multiple of 8 (nsp.md §9.2).
private func lay(_ payload: [UInt8], _ form: TextForm, _ size: Int, _ target: UnsafeMutableRawPointer?, _ padding: Int) -> (
  bytes: Int, count: Int
)? {
  payload.withUnsafeBytes { bytes in
    var fields = FieldReader(bytes)
    guard let count = EnumerateAnswer(&fields)?.count, Int(count) <= bytes.count / 40 else { return nil }
    var used = Int(count) * size
    // Where the blobs and names go: `used` counts without the padding.
    let parts = target.map { $0 + padding }
    for index in 0..<Int(count) {
      guard let row = EnumeratedProvider(&fields), let name = fields.bytes(Int(row.nameUnits) * 2), fields.align(),
        let blob = fields.bytes(Int(row.blobSize)), fields.align()
      else { return nil }
      var text = [UInt16](repeating: 0, count: Int(row.nameUnits) + 1)
      text.withUnsafeMutableBytes { $0.copyBytes(from: name) }
      used = (used + 7) & ~7
      if let target {
        let entry = target + index * size
        memset(entry, 0, size)
        entry.storeBytes(of: row.id, as: WireID.self)
        entry.storeBytes(of: row.nameSpace, toByteOffset: 16, as: UInt32.self)
        entry.storeBytes(of: row.isActive, toByteOffset: 20, as: UInt32.self)
        entry.storeBytes(of: row.version, toByteOffset: 24, as: UInt32.self)
      }
      if row.blobSize > 0, size == MemoryLayout<WSANAMESPACE_INFOEXW>.size {
        if let target {
          let entry = target + index * size
          entry.storeBytes(of: row.blobSize, toByteOffset: 40, as: UInt32.self)
          entry.storeBytes(of: parts.map { $0 + used }, toByteOffset: 48, as: UnsafeMutableRawPointer?.self)
          if let parts, let start = blob.baseAddress { (parts + used).copyMemory(from: start, byteCount: blob.count) }
        }
        used = (used + blob.count + 7) & ~7
      }
      if let target, let parts {
        (target + index * size).storeBytes(of: parts + used, toByteOffset: 32, as: UnsafeMutableRawPointer?.self)
      }
      switch form {
      case .wide:
        if let parts { text.withUnsafeBytes { (parts + used).copyMemory(from: $0.baseAddress!, byteCount: $0.count) } }
        used += text.count * 2
      case .narrow:
        let room = parts.map { ($0 + used).assumingMemoryBound(to: UInt8.self) }
        used += text.withUnsafeBufferPointer { narrow($0.baseAddress!, into: room) }
      }
    }
    return ((used + 7) & ~7 + padding, Int(count))
  }
}

// MARK: Changing

@c @implementation
public func WSCInstallNameSpace(
  _ lpszIdentifier: LPWSTR?, _ lpszPathName: LPWSTR?, _ dwNameSpace: DWORD, _ dwVersion: DWORD, _ lpProviderId: LPGUID?
) -> INT { WSCInstallNameSpaceEx(lpszIdentifier, lpszPathName, dwNameSpace, dwVersion, lpProviderId, nil) }

@c @implementation
public func WSCInstallNameSpaceEx(
  _ lpszIdentifier: LPWSTR?, _ lpszPathName: LPWSTR?, _ dwNameSpace: DWORD, _ dwVersion: DWORD, _ lpProviderId: LPGUID?,
  _ lpProviderSpecific: LPBLOB?
) -> INT {
  guard let identifier = lpszIdentifier, let path = lpszPathName, let id = lpProviderId,
    let name = units(identifier, .wide, limit: SelfRelative.maximumText - 1),
    let file = units(path, .wide, limit: SelfRelative.maximumText - 1)
  else { return fail(Int32(WSAEINVAL)) }
  let blob = lpProviderSpecific?.pointee
  // More than any host takes is not copied first.
  guard blob?.cbSize ?? 0 <= 1 << 19, blob?.cbSize ?? 0 == 0 || blob?.pBlobData != nil else { return fail(Int32(WSAEINVAL)) }
  var question = InstallRequest()
  (question.id, question.nameSpace, question.version) = (WireID(id.pointee), dwNameSpace, dwVersion)
  (question.identifierUnits, question.pathUnits) = (UInt32(name.count), UInt32(file.count))
  (question.blobSize, question.hasBlob) = (blob?.cbSize ?? 0, blob == nil ? 0 : 1)
  var request = question.frame(request: 1)
  for unit in name { request.append(unit) }
  for unit in file { request.append(unit) }
  if let blob { request.append(UnsafeRawBufferPointer(start: blob.pBlobData, count: Int(blob.cbSize))) }
  return done(&request, by: .current)
}

@c @implementation
public func WSCUnInstallNameSpace(_ lpProviderId: LPGUID?) -> INT {
  guard let id = lpProviderId else { return fail(Int32(WSAEFAULT)) }
  var request = UninstallRequest(id: WireID(id.pointee)).frame(request: 1)
  return done(&request, by: .current)
}

@c @implementation
public func WSCEnableNSProvider(_ lpProviderId: LPGUID?, _ fEnable: BOOL) -> INT {
  guard let id = lpProviderId else { return fail(Int32(WSAEFAULT)) }
  var request = EnableRequest(id: WireID(id.pointee), isEnabled: fEnable != 0).frame(request: 1)
  return done(&request, by: .current)
}

@c @implementation
public func WSCWriteNameSpaceOrder(_ lpProviderId: LPGUID?, _ dwNumberOfEntries: DWORD) -> Int32 {
  guard let ids = lpProviderId else { return Int32(WSAEFAULT) }
  guard dwNumberOfEntries <= 1 << 15 else { return Int32(WSAEINVAL) }
  var request = OrderRequest(count: dwNumberOfEntries).frame(request: 1)
  request.append(UnsafeRawBufferPointer(start: ids, count: 16 * Int(dwNumberOfEntries)))
  return Process.current.status(&request)
}
