// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CWinsock

// The C doors of this room, declared in netioddk.h: they serve the process's shared registrar. Logic lives in the Swift API.

@c @implementation
public func NmrRegisterClient(
  _ ClientCharacteristics: PNPI_CLIENT_CHARACTERISTICS?, _ ClientContext: PVOID?, _ NmrClientHandle: PHANDLE?
) -> NTSTATUS {
  guard let characteristics = ClientCharacteristics, let out = NmrClientHandle else { return NTStatus.invalidParameter.rawValue }
  return status { () throws(NTStatus) in
    try ModuleRegistrar.shared.registerClient(characteristics, context: ClientContext) { out.pointee = $0.handle }
  }
}

@c @implementation
public func NmrRegisterProvider(
  _ ProviderCharacteristics: PNPI_PROVIDER_CHARACTERISTICS?, _ ProviderContext: PVOID?, _ NmrProviderHandle: PHANDLE?
) -> NTSTATUS {
  guard let characteristics = ProviderCharacteristics, let out = NmrProviderHandle else {
    return NTStatus.invalidParameter.rawValue
  }
  return status { () throws(NTStatus) in
    try ModuleRegistrar.shared.registerProvider(characteristics, context: ProviderContext) { out.pointee = $0.handle }
  }
}

@c @implementation
public func NmrClientAttachProvider(
  _ NmrBindingHandle: HANDLE?, _ ClientBindingContext: PVOID?, _ ClientDispatch: UnsafeRawPointer?,
  _ ProviderBindingContext: UnsafeMutablePointer<PVOID?>?, _ ProviderDispatch: UnsafeMutablePointer<UnsafeRawPointer?>?
) -> NTSTATUS {
  guard let contextOut = ProviderBindingContext, let dispatchOut = ProviderDispatch else {
    return NTStatus.invalidParameter.rawValue
  }
  return ModuleRegistrar.shared.attachProvider(
    ModuleHandle(NmrBindingHandle), clientContext: ClientBindingContext, clientDispatch: ClientDispatch
  ) { context, dispatch in
    contextOut.pointee = context
    dispatchOut.pointee = dispatch
  }.rawValue
}

@c @implementation
public func NmrClientDetachProviderComplete(_ NmrBindingHandle: HANDLE?) {
  ModuleRegistrar.shared.detachComplete(ModuleHandle(NmrBindingHandle), role: .client)
}

@c @implementation
public func NmrProviderDetachClientComplete(_ NmrBindingHandle: HANDLE?) {
  ModuleRegistrar.shared.detachComplete(ModuleHandle(NmrBindingHandle), role: .provider)
}

@c @implementation
public func NmrDeregisterClient(_ NmrClientHandle: HANDLE?) -> NTSTATUS { deregister(NmrClientHandle, .client) }

@c @implementation
public func NmrDeregisterProvider(_ NmrProviderHandle: HANDLE?) -> NTSTATUS { deregister(NmrProviderHandle, .provider) }

@c @implementation
public func NmrCompatDeregisterClient(_ NmrClientHandle: HANDLE?) -> NTSTATUS {
  deregister(NmrClientHandle, .client, whenDone: STATUS_SUCCESS)
}

@c @implementation
public func NmrCompatDeregisterProvider(_ NmrProviderHandle: HANDLE?) -> NTSTATUS {
  deregister(NmrProviderHandle, .provider, whenDone: STATUS_SUCCESS)
}

@c @implementation
public func NmrWaitForClientDeregisterComplete(_ NmrClientHandle: HANDLE?) -> NTSTATUS { wait(NmrClientHandle, .client) }

@c @implementation
public func NmrWaitForProviderDeregisterComplete(_ NmrProviderHandle: HANDLE?) -> NTSTATUS { wait(NmrProviderHandle, .provider) }

private func deregister(_ handle: HANDLE?, _ role: ModuleRole, whenDone: NTSTATUS = STATUS_PENDING) -> NTSTATUS {
  do throws(NTStatus) {
    return try ModuleRegistrar.shared.deregister(ModuleHandle(handle), role: role) ? whenDone : STATUS_PENDING
  } catch {
    return error.rawValue
  }
}

private func wait(_ handle: HANDLE?, _ role: ModuleRole) -> NTSTATUS {
  status { () throws(NTStatus) in try ModuleRegistrar.shared.waitForDeregistration(ModuleHandle(handle), role: role) }
}

private func status(_ work: () throws(NTStatus) -> Void) -> NTSTATUS {
  do throws(NTStatus) {
    try work()
    return STATUS_SUCCESS
  } catch {
    return error.rawValue
  }
}
