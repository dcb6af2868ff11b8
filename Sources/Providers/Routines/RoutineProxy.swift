import CWinsock
import QuerySets

/// A provider that lives elsewhere, and is called through this: one function for each routine of `NSPV2_ROUTINE`, with the same rules.
/// Every one of them may keep its thread until the provider has answered, or its deadline is over.
public protocol RoutineProxy: AnyObject, Sendable {
  /// `NSPv2Startup`.
  func startup() -> Result<SessionArgument, WinsockError>
  /// `NSPv2Cleanup`.
  func cleanup(_ argument: SessionArgument) -> WinsockError?
  /// `NSPv2LookupServiceBegin`. The query set is packed, and valid during the call only.
  func lookupServiceBegin(
    _ restrictions: UnsafePointer<WSAQUERYSET2W>, flags: LookupFlags, argument: SessionArgument
  ) -> Result<ProviderLookupHandle, WinsockError>
  /// `NSPv2LookupServiceNextEx`: completes the call, now or later, on any thread.
  func lookupServiceNextEx(
    asyncCall: UnsafeMutableRawPointer?, lookup: ProviderLookupHandle, flags: LookupFlags,
    length: UnsafeMutablePointer<UInt32>, block: UnsafeMutablePointer<WSAQUERYSET2W>)
  /// `NSPv2LookupServiceEnd`.
  func lookupServiceEnd(_ lookup: ProviderLookupHandle) -> WinsockError?
  /// `NSPv2SetServiceEx`: completes the call, now or later, on any thread.
  func setServiceEx(
    asyncCall: UnsafeMutableRawPointer?, registration: UnsafePointer<WSAQUERYSET2W>, operation: UInt32, flags: UInt32,
    argument: SessionArgument)
  /// `NSPv2ClientSessionRundown`.
  func clientSessionRundown(_ argument: SessionArgument)
}

/// What a provider in another process is, beside its routines.
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

/// The entries of a routine table that forward to a proxy.
final class ProxyClosures: Sendable {
  private let closures: [(ProviderRoutine, RoutineClosure)]

  /// Nil when the system gives no memory for another closure.
  init?(_ proxy: any RoutineProxy, _ entries: Set<ProviderRoutine>) {
    var closures: [(ProviderRoutine, RoutineClosure)] = []
    for routine in entries {
      guard let closure = RoutineClosure(routine, Self.performance(of: routine, by: proxy)) else { return nil }
      closures.append((routine, closure))
    }
    self.closures = closures
  }

  private static func performance(of routine: ProviderRoutine, by proxy: any RoutineProxy) -> RoutineClosure.Performance {
    switch routine {
    case .startup:
      { arguments in
        switch proxy.startup() {
        case .failure(let error): return answer(error)
        case .success(let argument):
          arguments.pointer(1)?.storeBytes(of: argument.pointer, as: UnsafeMutableRawPointer?.self)
          return 0
        }
      }
    case .cleanup: { answer(proxy.cleanup(SessionArgument($0.pointer(1)))) }
    case .lookupServiceBegin:
      { arguments in
        guard let set = arguments.pointer(1)?.assumingMemoryBound(to: WSAQUERYSET2W.self) else { return answer(.fault) }
        let result = proxy.lookupServiceBegin(
          set, flags: LookupFlags(rawValue: arguments.dword(2)), argument: SessionArgument(arguments.pointer(3)))
        switch result {
        case .failure(let error): return answer(error)
        case .success(let handle):
          arguments.pointer(4)?.storeBytes(of: handle.pointer, as: UnsafeMutableRawPointer?.self)
          return 0
        }
      }
    case .lookupServiceNextEx:
      { arguments in
        guard let length = arguments.pointer(3)?.assumingMemoryBound(to: UInt32.self),
          let block = arguments.pointer(4)?.assumingMemoryBound(to: WSAQUERYSET2W.self)
        else { return answer(.fault) }
        proxy.lookupServiceNextEx(
          asyncCall: arguments.pointer(0), lookup: ProviderLookupHandle(pointer: arguments.pointer(1)),
          flags: LookupFlags(rawValue: arguments.dword(2)), length: length, block: block)
        return 0
      }
    case .lookupServiceEnd: { answer(proxy.lookupServiceEnd(ProviderLookupHandle(pointer: $0.pointer(0)))) }
    case .setServiceEx:
      { arguments in
        guard let set = arguments.pointer(2)?.assumingMemoryBound(to: WSAQUERYSET2W.self) else { return answer(.fault) }
        proxy.setServiceEx(
          asyncCall: arguments.pointer(0), registration: set, operation: arguments.dword(3), flags: arguments.dword(4),
          argument: SessionArgument(arguments.pointer(5)))
        return 0
      }
    case .clientSessionRundown:
      { arguments in
        proxy.clientSessionRundown(SessionArgument(arguments.pointer(1)))
        return 0
      }
    }
  }

  /// `INT` routines leave their code in the thread's last error.
  private static func answer(_ failure: WinsockError?) -> Int32 {
    guard let failure else { return 0 }
    WSASetLastError(failure.rawValue)
    return SOCKET_ERROR
  }

  func fill(_ table: inout NSPV2_ROUTINE) {
    withUnsafeMutableBytes(of: &table) { bytes in
      for (routine, closure) in closures {
        bytes.storeBytes(of: closure.code, toByteOffset: RoutineTable.entryOffset(routine), as: UnsafeMutableRawPointer.self)
      }
    }
  }
}
