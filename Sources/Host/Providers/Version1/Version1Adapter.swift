import CWinsock
import QuerySets

/// A version 1 provider as the engine knows providers: it has no sessions; NextEx and SetServiceEx run the provider's synchronous routines on the
/// thread that they are called on, and complete the call with what those answer (nsp.md §6).
///
/// The engine calls such a provider on threads of the host that clients can leave.
public final class Version1Adapter: ProviderRoutines {
  private let routines: Version1Routines
  private let complete: AsyncCompletion
  private let missing = MissingRoutines(
    besides: [.lookupServiceBegin, .lookupServiceNextEx, .lookupServiceEnd, .setServiceEx])

  public let traits: ProviderTraits = [.takesClasses, .version1]
  public let majorVersion: UInt32 = 1
  public let minorVersion: UInt32 = 0

  public init(_ routines: Version1Routines, completion: @escaping AsyncCompletion) {
    (self.routines, complete) = (routines, completion)
  }

  public func entry(_ routine: ProviderRoutine) -> RoutineEntry { missing.contains(routine) ? .stub : .version1 }
  public func interceptions(_ routine: ProviderRoutine) -> Int { missing.interceptions(routine) }

  public func startup(_: GUID, _: CallContext) -> Result<SessionArgument, WinsockError> {
    _ = missing.answer(.startup)
    return .success(.none)
  }

  public func cleanup(_: GUID, _: SessionArgument) -> WinsockError? { missing.answer(.cleanup) }
  public func clientSessionRundown(_: GUID, _: SessionArgument) { _ = missing.answer(.clientSessionRundown) }

  public func lookupServiceBegin(
    _: GUID, restrictions: UnsafeMutablePointer<WSAQUERYSET2W>, flags: LookupFlags, argument _: SessionArgument,
    _ context: CallContext
  ) -> Result<ProviderLookupHandle, WinsockError> {
    let given = restrictions.pointee
    var handle: UnsafeMutableRawPointer?
    let failure = Self.with(context.serviceClass, given) { id, info in
      var set = WSAQUERYSETW(given, serviceClass: id)
      return routines.lookupServiceBegin(&set, info, flags.rawValue, &handle)
    }
    return failure.map { .failure($0) } ?? .success(ProviderLookupHandle(pointer: handle))
  }

  /// The record comes into the block of the call, in its version 1 form, which is longer by one pointer.
  public func lookupServiceNextEx(
    asyncCall: UnsafeMutableRawPointer?, lookup: ProviderLookupHandle, flags: LookupFlags,
    length: UnsafeMutablePointer<UInt32>, block: UnsafeMutablePointer<WSAQUERYSET2W>, _: CallContext
  ) {
    let size = length.pointee
    guard size >= UInt32(MemoryLayout<WSAQUERYSETW>.size) else {
      length.pointee = UInt32(MemoryLayout<WSAQUERYSETW>.size)
      return complete(asyncCall, WSAEFAULT)
    }
    let memory = UnsafeMutableRawPointer(block)
    // What the provider does not write shows nobody anything.
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Int(size))
    var needed = size
    let failure = routines.lookupServiceNext(
      lookup.pointer, flags.rawValue, &needed, memory.assumingMemoryBound(to: WSAQUERYSETW.self))
    if let failure {
      if failure == .fault { length.pointee = needed }
      complete(asyncCall, failure.rawValue)
    } else {
      block.pointee = WSAQUERYSET2W(memory.load(as: WSAQUERYSETW.self))
      complete(asyncCall, 0)
    }
  }

  public func lookupServiceEnd(_ lookup: ProviderLookupHandle) -> WinsockError? { routines.lookupServiceEnd(lookup.pointer) }

  public func setServiceEx(
    asyncCall: UnsafeMutableRawPointer?, _: UnsafeMutablePointer<GUID>, registration: UnsafeMutablePointer<WSAQUERYSET2W>,
    operation: WSAESETSERVICEOP, flags: UInt32, argument _: SessionArgument, _ context: CallContext
  ) {
    let given = registration.pointee
    let failure = Self.with(context.serviceClass, given) { id, info in
      var set = WSAQUERYSETW(given, serviceClass: id)
      return routines.setService(info, &set, operation.rawValue, flags)
    }
    complete(asyncCall, failure?.rawValue ?? 0)
  }

  /// Lends the routine the class and what is known of it: private copies, valid during the call. Where none is named it is the customary one.
  private static func with(
    _ named: CallContext.NamedClass?, _ set: WSAQUERYSET2W,
    _ call: (UnsafeMutablePointer<GUID>, LPWSASERVICECLASSINFOW?) -> WinsockError?
  ) -> WinsockError? {
    var id = named?.id ?? CustomaryClass.id(for: set)
    let known = named?.known
    return withUnsafeMutablePointer(to: &id) { id in
      guard let known else { return call(id, nil) }
      return known.withPacked { call(id, $0) }
    }
  }
}

extension WSAQUERYSETW {
  /// The same, with the class that version 2 does not carry. What is pointed to stays where it is.
  init(_ set: WSAQUERYSET2W, serviceClass: UnsafeMutablePointer<GUID>?) {
    self.init(
      dwSize: UInt32(MemoryLayout<WSAQUERYSETW>.size), lpszServiceInstanceName: set.lpszServiceInstanceName,
      lpServiceClassId: serviceClass, lpVersion: set.lpVersion, lpszComment: set.lpszComment, dwNameSpace: set.dwNameSpace,
      lpNSProviderId: set.lpNSProviderId, lpszContext: set.lpszContext, dwNumberOfProtocols: set.dwNumberOfProtocols,
      lpafpProtocols: set.lpafpProtocols, lpszQueryString: set.lpszQueryString, dwNumberOfCsAddrs: set.dwNumberOfCsAddrs,
      lpcsaBuffer: set.lpcsaBuffer, dwOutputFlags: set.dwOutputFlags, lpBlob: set.lpBlob)
  }
}

extension WSAQUERYSET2W {
  /// The same without the class. What is pointed to stays where it is.
  public init(_ set: WSAQUERYSETW) {
    self.init(
      dwSize: UInt32(MemoryLayout<WSAQUERYSET2W>.size), lpszServiceInstanceName: set.lpszServiceInstanceName,
      lpVersion: set.lpVersion, lpszComment: set.lpszComment, dwNameSpace: set.dwNameSpace, lpNSProviderId: set.lpNSProviderId,
      lpszContext: set.lpszContext, dwNumberOfProtocols: set.dwNumberOfProtocols, lpafpProtocols: set.lpafpProtocols,
      lpszQueryString: set.lpszQueryString, dwNumberOfCsAddrs: set.dwNumberOfCsAddrs, lpcsaBuffer: set.lpcsaBuffer,
      dwOutputFlags: set.dwOutputFlags, lpBlob: set.lpBlob)
  }
}
