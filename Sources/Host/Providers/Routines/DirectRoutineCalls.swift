import CLastWords
import CWinsock
import QuerySets

/// The value that a provider's startup gave for one client; opaque, passed on bit for bit (nsp.md L7).
public struct SessionArgument: @unchecked Sendable, Equatable {
  public let pointer: UnsafeMutableRawPointer?
  public init(_ pointer: UnsafeMutableRawPointer?) { self.pointer = pointer }
  public static let none = SessionArgument(nil)
}

/// The handle that a provider's Begin gave; opaque, every bit pattern is legal (nsp.md §5.5).
public struct ProviderLookupHandle: @unchecked Sendable {
  public let pointer: UnsafeMutableRawPointer?
  public init(pointer: UnsafeMutableRawPointer?) { self.pointer = pointer }

  /// Its bits.
  public var word: UInt64 { UInt64(UInt(bitPattern: pointer)) }
}

/// For what the process says when it dies in the routine.
func mark(_ routine: StaticString) { nsp_mark_routine(routine.utf8Start) }

extension DirectRoutines {
  public func startup(_ provider: GUID, _: CallContext) -> Result<SessionArgument, WinsockError> {
    var id = provider
    var argument: UnsafeMutableRawPointer?
    mark("NSPv2Startup")
    WSASetLastError(0)
    if let failure = WinsockError(returned: pointer.pointee.NSPv2Startup(&id, &argument)) {
      return failure == .operationNotSupported ? .success(.none) : .failure(failure)
    }
    return .success(SessionArgument(argument))
  }

  @discardableResult
  public func cleanup(_ provider: GUID, _ argument: SessionArgument) -> WinsockError? {
    var id = provider
    mark("NSPv2Cleanup")
    WSASetLastError(0)
    return WinsockError(returned: pointer.pointee.NSPv2Cleanup(&id, argument.pointer))
  }

  public func clientSessionRundown(_ provider: GUID, _ argument: SessionArgument) {
    var id = provider
    mark("NSPv2ClientSessionRundown")
    WSASetLastError(0)
    pointer.pointee.NSPv2ClientSessionRundown(&id, argument.pointer)
  }

  public func lookupServiceBegin(
    _ provider: GUID, restrictions: UnsafeMutablePointer<WSAQUERYSET2W>, flags: LookupFlags, argument: SessionArgument,
    _: CallContext
  ) -> Result<ProviderLookupHandle, WinsockError> {
    var id = provider
    var handle: UnsafeMutableRawPointer?
    mark("NSPv2LookupServiceBegin")
    WSASetLastError(0)
    let returned = pointer.pointee.NSPv2LookupServiceBegin(&id, restrictions, flags.rawValue, argument.pointer, &handle)
    if let failure = WinsockError(returned: returned) { return .failure(failure) }
    return .success(ProviderLookupHandle(pointer: handle))
  }

  public func lookupServiceNextEx(
    asyncCall: UnsafeMutableRawPointer?, lookup: ProviderLookupHandle, flags: LookupFlags,
    length: UnsafeMutablePointer<UInt32>, block: UnsafeMutablePointer<WSAQUERYSET2W>, _: CallContext
  ) {
    mark("NSPv2LookupServiceNextEx")
    WSASetLastError(0)
    pointer.pointee.NSPv2LookupServiceNextEx(asyncCall, lookup.pointer, flags.rawValue, length, block)
  }

  @discardableResult
  public func lookupServiceEnd(_ lookup: ProviderLookupHandle) -> WinsockError? {
    mark("NSPv2LookupServiceEnd")
    WSASetLastError(0)
    return WinsockError(returned: pointer.pointee.NSPv2LookupServiceEnd(lookup.pointer))
  }

  public func setServiceEx(
    asyncCall: UnsafeMutableRawPointer?, _ provider: UnsafeMutablePointer<GUID>,
    registration: UnsafeMutablePointer<WSAQUERYSET2W>, operation: WSAESETSERVICEOP, flags: UInt32, argument: SessionArgument,
    _: CallContext
  ) {
    mark("NSPv2SetServiceEx")
    WSASetLastError(0)
    pointer.pointee.NSPv2SetServiceEx(asyncCall, provider, registration, operation, flags, argument.pointer)
  }
}

extension WinsockError {
  /// What an `INT` routine's result means (nsp.md §5.3); nil is success. To be asked at once, on the routine's thread.
  init?(returned: Int32) {
    switch returned {
    case 0: return nil
    case -1, 1:
      let code = WSAGetLastError()
      self = code == 0 ? .systemCallFailure : WinsockError(rawValue: code).normalised
    default: self = WinsockError(rawValue: returned).normalised
    }
  }
}
