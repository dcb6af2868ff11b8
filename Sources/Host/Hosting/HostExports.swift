// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CDynamicLinker
import CWinsock
import Providers
import QuerySets
import Rundown

// The C doors of this room, for code of providers (nsp.md §5.8). Declared in ws2spi.h; logic lives in the Swift API.

@c @implementation
public func WSAProviderCompleteAsyncCall(_ hAsyncCall: HANDLE?, _ iRetCode: INT) -> INT {
  if let worker = WorkerDoors.current { return result(worker.complete(hAsyncCall, iRetCode)) }
  return result(AsyncCall.complete(hAsyncCall, code: iRetCode))
}

@c @implementation
public func WSAAdvertiseProvider(_ puuidProviderId: UnsafePointer<GUID>?, _ pNSPv2Routine: LPCNSPV2_ROUTINE?) -> INT {
  guard let puuidProviderId, let table = pNSPv2Routine else { return result(.invalidArgument) }
  let id: GUID
  do throws(QuerySetError) {
    id = try HandedOver.value(puuidProviderId, "puuidProviderId")
    try NSPV2_ROUTINE.checkReadable(table, "pNSPv2Routine")
  } catch { return result(refused("WSAAdvertiseProvider", error)) }
  if let worker = WorkerDoors.current { return result(worker.advertise(id, table)) }
  guard let host = ProviderHost.owner(of: id) else { return result(.invalidProvider) }
  do { try host.advertise(id, table) } catch { return result(error) }
  return 0
}

@c @implementation
public func WSAUnadvertiseProvider(_ puuidProviderId: UnsafePointer<GUID>?) -> INT {
  guard let puuidProviderId else { return result(.invalidArgument) }
  let id: GUID
  do throws(QuerySetError) { id = try HandedOver.value(puuidProviderId, "puuidProviderId") } catch {
    return result(refused("WSAUnadvertiseProvider", error))
  }
  if let worker = WorkerDoors.current { return result(worker.unadvertise(id)) }
  guard let host = ProviderHost.owner(of: id) else { return result(.invalidProvider) }
  do { try host.unadvertise(id) } catch { return result(error) }
  return 0
}

@c @implementation
public func NSPHostPackQuerySet(
  _ lpqsRecord: UnsafePointer<WSAQUERYSET2W>?, _ lpdwBufferLength: LPDWORD?, _ lpqsResults: LPWSAQUERYSET2W?
) -> INT {
  guard let record = lpqsRecord, let length = lpdwBufferLength else { return WSAEINVAL }
  do throws(QuerySetError) {
    let size = try HandedOver.value(length, "lpdwBufferLength")
    let block = UnsafeMutableRawBufferPointer(start: lpqsResults, count: lpqsResults == nil ? 0 : Int(size))
    try QuerySetView(reading: record, in: .foreign(block: nil)).pack(as: .v2, into: block)
    return 0
  } catch {
    if case .bufferTooSmall(let needed) = error {
      length.pointee = DWORD(needed)
      return WSAEFAULT
    }
    return refused("NSPHostPackQuerySet", error).rawValue
  }
}

@c @implementation
public func NSPHostCurrentServiceClass(
  _ lpServiceClassId: LPGUID?, _ lpdwBufSize: LPDWORD?, _ lpServiceClassInfo: LPWSASERVICECLASSINFOW?
) -> INT {
  guard lpServiceClassId != nil || lpdwBufSize != nil else { return WSAEINVAL }
  let asked: (id: GUID, known: () -> ServiceClass?)
  if let worker = WorkerDoors.current {
    guard let (id, known) = worker.serviceClass else { return WSATYPE_NOT_FOUND }
    asked = (id, { known })
  } else {
    guard let frame = CallFrame.current, let named = frame.serviceClass else { return WSATYPE_NOT_FOUND }
    asked = (named.id, { named.known(at: frame.provider) })
  }
  lpServiceClassId?.pointee = asked.id
  guard let size = lpdwBufSize else { return 0 }
  // Of a class that nobody knows there is its id.
  let known = asked.known() ?? ServiceClass(id: asked.id, name: "")
  do throws(QuerySetError) {
    try known.pack(into: UnsafeMutableRawBufferPointer(start: lpServiceClassInfo, count: Int(size.pointee)))
    return 0
  } catch {
    if case .bufferTooSmall(let needed) = error { size.pointee = UInt32(needed) }
    return error.winsockError.rawValue
  }
}

@c @implementation
public func NSPHostCurrentClient(_ lpClient: LPNSP_CLIENT?) -> INT {
  guard let lpClient, lpClient.pointee.cbSize == MemoryLayout<NSP_CLIENT>.size else { return WSAEINVAL }
  let client = WorkerDoors.current.map { $0.client } ?? CallFrame.current?.client?.record
  guard let client else { return WSANO_DATA }
  lpClient.pointee = client
  return 0
}

@c @implementation
public func NSPHostSetting(_ lpProviderId: LPGUID?, _ lpszName: LPCSTR?, _ lpszValue: LPSTR?, _ lpcbValue: LPDWORD?) -> INT {
  guard let lpProviderId, let lpszName, let size = lpcbValue else { return WSAEINVAL }
  let (id, name, room): (GUID, String, Int)
  do throws(QuerySetError) {
    id = try HandedOver.value(lpProviderId, "lpProviderId")
    name = try HandedOver.text(lpszName, limit: QuerySetLimits.textUnits, "lpszName")
    room = Int(try HandedOver.value(size, "lpcbValue"))
  } catch { return refused("NSPHostSetting", error).rawValue }
  let known = WorkerDoors.current.map { $0.settings(of: id) } ?? ProviderHost.owner(of: id)?.catalog[id]?.manifest.settings
  guard let known else { return WSAEINVAL }
  guard let texts = known[name] else { return WSANO_DATA }
  let value: [UInt8] = texts.flatMap { [UInt8]($0.utf8) + [0] } + [0]
  size.pointee = DWORD(value.count)
  guard let lpszValue, room >= value.count else { return WSAEFAULT }
  UnsafeMutableRawPointer(lpszValue).copyMemory(from: value, byteCount: value.count)
  return 0
}

@c @implementation
public func NSPHostSetFailing(_ lpProviderId: LPGUID?, _ lpszReason: LPCSTR?) -> INT {
  guard let lpProviderId else { return WSAEINVAL }
  let id: GUID
  var reason: String?
  do throws(QuerySetError) {
    id = try HandedOver.value(lpProviderId, "lpProviderId")
    if let lpszReason { reason = ProviderCondition.reason(try HandedOver.text(lpszReason, limit: mostLogged, "lpszReason")) }
  } catch { return refused("NSPHostSetFailing", error).rawValue }
  if let worker = WorkerDoors.current { return worker.setFailing(id, reason) ? 0 : WSAEINVAL }
  guard let provider = ProviderHost.owner(of: id)?.catalog[id]?.provider else { return WSAEINVAL }
  provider.condition.report(reason)
  return 0
}

@c @implementation
public func WSASetEvent(_ hEvent: HANDLE?) -> BOOL {
  if let worker = WorkerDoors.current {
    if worker.setEvent(hEvent) { return 1 }
  } else if ChangeNotice.set(Handle(hEvent)) {
    return 1
  }
  WSASetLastError(WSA_INVALID_HANDLE)
  return 0
}

@c @implementation
public func nsp_host_log(
  _ call: UnsafeMutableRawPointer?, _ level: UInt32, _ text: UnsafePointer<CChar>?, _ caller: UnsafeRawPointer?
) {
  guard let text, let level = LogLevel(rawValue: min(level, LogLevel.error.rawValue)) else { return }
  guard WorkerDoors.current != nil || HostLog.isOpen(for: level) else { return }
  let said: String
  do throws(QuerySetError) { said = try HandedOver.text(text, limit: mostLogged, "lpszText") } catch {
    said = "NSPHostLog: \(error)"
  }
  if let worker = WorkerDoors.current { return worker.log(call, level, said) }
  let here = CallFrame.current
  let origin = call.flatMap { AsyncCall.origin(of: $0) }
  // On a thread of its own a provider is known by the file that its code is in.
  let name =
    (origin?.provider ?? here?.provider)?.name ?? ProviderHost.providerName(of: UInt(bitPattern: nsp_mapping_base(caller)))
  HostLog.write(level, provider: name ?? "a provider", query: origin?.query ?? here?.query, said)
}

@c @implementation
public func nsp_host_changed(
  _ provider: UnsafeRawPointer?, _ name: UnsafeRawPointer?, _ caller: UnsafeRawPointer?
) -> Int32 {
  guard let provider else { return WSAEINVAL }
  let id: GUID
  var text: String?
  do throws(QuerySetError) {
    id = try HandedOver.value(provider.assumingMemoryBound(to: GUID.self), "lpProviderId")
    if let name {
      text = try HandedOver.text(name.assumingMemoryBound(to: UInt16.self), limit: QuerySetLimits.textUnits, "lpszName")
    }
  } catch { return refused("NSPHostChanged", error).rawValue }
  if let worker = WorkerDoors.current { return worker.changed(id, text)?.rawValue ?? 0 }
  return ProviderHost.changed(id, text, inFileAt: UInt(bitPattern: nsp_mapping_base(caller)))?.rawValue ?? 0
}

/// Of the text that a provider has for people, in bytes.
private let mostLogged = 8192

/// What a provider has handed over can't be read: its author finds the reason in the log.
private func refused(_ function: String, _ defect: QuerySetError) -> WinsockError {
  NSPHostLog(nil, DWORD(NSP_LOG_WARNING), "\(function): \(defect)")
  return defect.winsockError
}

extension NSPV2_ROUTINE {
  /// Whether as much of a table can be read as it says that there is.
  static func checkReadable(_ table: UnsafePointer<NSPV2_ROUTINE>, _ name: String) throws(QuerySetError) {
    let size = try HandedOver.value(UnsafeRawPointer(table).assumingMemoryBound(to: UInt32.self), name)
    try HandedOver.check(table, min(Int(size), MemoryLayout<NSPV2_ROUTINE>.size), name)
  }
}

/// The result convention of the interface: 0, or `SOCKET_ERROR` with the code in the thread's last error.
private func result(_ error: WinsockError?) -> INT {
  guard let error else { return 0 }
  WSASetLastError(error.rawValue)
  return SOCKET_ERROR
}
