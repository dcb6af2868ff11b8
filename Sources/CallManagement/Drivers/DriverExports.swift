// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CWinsock
import Rundown

// Drivers, adapters and bindings for sources written against ndis.h, declared in nspndis.h.

let drivers = HandleTable<DriverTables>(kind: 22)
/// Whose an adapter or a binding is.
private let owners = DriverOwners()

@c @implementation
public func NspRegisterDriver(_ NdisDriverHandle: UnsafeMutablePointer<NDIS_HANDLE?>?) -> NDIS_STATUS {
  guard let out = NdisDriverHandle else { return NDISStatus.failure.rawValue }
  out.pointee = drivers.insert(DriverTables())?.pointer
  return (out.pointee == nil ? NDISStatus.resources : .success).rawValue
}

@c @implementation
public func NspDeregisterDriver(_ NdisDriverHandle: NDIS_HANDLE?) -> NDIS_STATUS {
  guard let driver = drivers[Handle(NdisDriverHandle)] else { return NDISStatus.failure.rawValue }
  guard driver.retire() else { return NDISStatus.notAccepted.rawValue }
  return (drivers.remove(Handle(NdisDriverHandle)) == nil ? NDISStatus.failure : .success).rawValue
}

@c @implementation
public func NspCreateAdapter(
  _ NdisDriverHandle: NDIS_HANDLE?, _ MiniportAdapterContext: NDIS_HANDLE?,
  _ MiniportAdapterHandle: UnsafeMutablePointer<NDIS_HANDLE?>?
) -> NDIS_STATUS {
  MiniportAdapterHandle?.pointee = nil
  guard let out = MiniportAdapterHandle, let driver = drivers[Handle(NdisDriverHandle)],
    let (miniport, manager) = driver.use({ tables in
      tables.miniport.map { miniport in
        (ForeignMiniport(miniport), tables.callManager.map { ForeignCallManager($0, tables.protocolCharacteristics) })
      }
    })
  else { return NDISStatus.failure.rawValue }
  guard let adapter = CoNDIS.shared.createAdapter(DriverContext(MiniportAdapterContext), miniport: miniport, callManager: manager)
  else {
    driver.endUse()
    return NDISStatus.resources.rawValue
  }
  owners.note(adapter, driver)
  out.pointee = adapter.pointer
  return NDISStatus.success.rawValue
}

@c @implementation
public func NspHaltAdapter(_ MiniportAdapterHandle: NDIS_HANDLE?) -> NDIS_STATUS {
  owners.release(Handle(MiniportAdapterHandle), CoNDIS.shared.haltAdapter(Handle(MiniportAdapterHandle)))
}

@c @implementation
public func NspOpenAdapter(
  _ NdisDriverHandle: NDIS_HANDLE?, _ MiniportAdapterHandle: NDIS_HANDLE?, _ ProtocolBindingContext: NDIS_HANDLE?,
  _ NdisBindingHandle: UnsafeMutablePointer<NDIS_HANDLE?>?
) -> NDIS_STATUS {
  NdisBindingHandle?.pointee = nil
  guard let out = NdisBindingHandle, let driver = drivers[Handle(NdisDriverHandle)],
    let (client, manager) = driver.use({ tables -> (ForeignClient?, ForeignCallManager?)? in
      // A miniport call manager manages its own adapter, and binds to none.
      guard tables.client != nil || tables.callManager != nil && tables.miniport == nil else { return nil }
      return (
        tables.client.map { ForeignClient($0, tables.protocolCharacteristics) },
        tables.miniport == nil ? tables.callManager.map { ForeignCallManager($0, tables.protocolCharacteristics) } : nil
      )
    })
  else { return NDISStatus.failure.rawValue }
  let status = CoNDIS.shared.openAdapter(
    Handle(MiniportAdapterHandle), client: client, callManager: manager, context: DriverContext(ProtocolBindingContext),
    issued: { binding in
      if let binding { owners.note(binding, driver) }
      out.pointee = binding?.pointer
    })
  if status != .success { driver.endUse() }
  return status.rawValue
}

@c @implementation
public func NspCloseAdapter(_ NdisBindingHandle: NDIS_HANDLE?) -> NDIS_STATUS {
  owners.release(Handle(NdisBindingHandle), CoNDIS.shared.closeAdapter(Handle(NdisBindingHandle)))
}
