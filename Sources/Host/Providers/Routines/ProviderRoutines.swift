import CWinsock
import QuerySets

/// The routines of one provider, whatever performs them: a file of this process (`DirectRoutines`), version 1 routines (`Version1Adapter`), or
/// another process. One function for each routine of `NSPV2_ROUTINE`, with that routine's rules (nsp.md §5).
///
/// Every one of them calls out: no lock may be held. Each may keep its thread, on its provider's terms. What pointers lead to is valid during
/// the call, for `lookupServiceNextEx` and `setServiceEx` until the call is completed. `provider` is the provider's own id.
public protocol ProviderRoutines: AnyObject, Sendable {
  /// What it is, beside its routines.
  var traits: ProviderTraits { get }
  /// The version that the provider named; shown, never branched on (nsp.md §5.1).
  var majorVersion: UInt32 { get }
  var minorVersion: UInt32 { get }
  /// What performs a routine.
  func entry(_ routine: ProviderRoutine) -> RoutineEntry
  /// How often the host answered in the provider's place, because it lacks the routine.
  func interceptions(_ routine: ProviderRoutine) -> Int

  /// `NSPv2Startup` (entry 1). `.none` where the provider needs no session (nsp.md L6).
  func startup(_ provider: GUID, _ context: CallContext) -> Result<SessionArgument, WinsockError>
  /// `NSPv2Cleanup` (entry 2). Answers what went wrong, for the log: nothing can be done about it.
  @discardableResult
  func cleanup(_ provider: GUID, _ argument: SessionArgument) -> WinsockError?
  /// `NSPv2LookupServiceBegin` (entry 3). The query set is packed.
  func lookupServiceBegin(
    _ provider: GUID, restrictions: UnsafeMutablePointer<WSAQUERYSET2W>, flags: LookupFlags, argument: SessionArgument,
    _ context: CallContext
  ) -> Result<ProviderLookupHandle, WinsockError>
  /// `NSPv2LookupServiceNextEx` (entry 4): completes the call, now or later, on any thread. `length` and `block` belong to the provider until then.
  func lookupServiceNextEx(
    asyncCall: UnsafeMutableRawPointer?, lookup: ProviderLookupHandle, flags: LookupFlags,
    length: UnsafeMutablePointer<UInt32>, block: UnsafeMutablePointer<WSAQUERYSET2W>, _ context: CallContext)
  /// `NSPv2LookupServiceEnd` (entry 5).
  @discardableResult
  func lookupServiceEnd(_ lookup: ProviderLookupHandle) -> WinsockError?
  /// `NSPv2SetServiceEx` (entry 6): completes the call, now or later, on any thread. `provider` and `registration` belong to the provider until then.
  func setServiceEx(
    asyncCall: UnsafeMutableRawPointer?, _ provider: UnsafeMutablePointer<GUID>,
    registration: UnsafeMutablePointer<WSAQUERYSET2W>, operation: WSAESETSERVICEOP, flags: UInt32, argument: SessionArgument,
    _ context: CallContext)
  /// `NSPv2ClientSessionRundown` (entry 7).
  func clientSessionRundown(_ provider: GUID, _ argument: SessionArgument)
}

/// What a routine is called for: what its C signature has no room for.
public struct CallContext: Sendable {
  /// The class that a query or registration names, and what is known of it.
  public struct NamedClass: Sendable {
    public var id: GUID
    public var known: ServiceClass?

    public init(id: GUID, known: ServiceClass?) { (self.id, self.known) = (id, known) }
  }

  /// The number of the query or registration; 0 for none.
  public var query: UInt64
  /// Whom a session is opened for.
  public var client: NSP_CLIENT?
  public var serviceClass: NamedClass?
  /// Of a Begin whose records are all wanted: the flags of the Nexts that follow.
  public var readsAhead: LookupFlags?

  public init(
    query: UInt64 = 0, client: NSP_CLIENT? = nil, serviceClass: NamedClass? = nil, readsAhead: LookupFlags? = nil
  ) {
    (self.query, self.client, self.serviceClass, self.readsAhead) = (query, client, serviceClass, readsAhead)
  }
}

/// What performs a routine of a provider.
public enum RoutineEntry: String, Sendable {
  case direct
  /// The provider does not have it: the host answers `WSAEOPNOTSUPP` (nsp.md §5.2).
  case stub
  /// Performed by the version 1 routine that corresponds to it.
  case version1 = "version-1"
  /// Forwarded to another process.
  case proxy
}

/// What a provider is, beside its routines.
public struct ProviderTraits: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// It wants to know the class that a query names, and what is known of it.
  public static let takesClasses = ProviderTraits(rawValue: 1)
  /// Its lookups are performed by version 1 routines.
  public static let version1 = ProviderTraits(rawValue: 2)
  /// It has version 1's routines for service classes.
  public static let keepsClasses = ProviderTraits(rawValue: 4)
  public static let hasIoctl = ProviderTraits(rawValue: 8)
  /// It may lack Begin, NextEx or End.
  public static let allowsPartial = ProviderTraits(rawValue: 16)
}
