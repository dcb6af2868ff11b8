import CWinsock
import QuerySets

/// A name space provider in Swift: what the routines of a file come down to.
///
/// A file has one. It is made by the first routine that the host calls, and asked on any thread, several at a time. Its file defines
/// `nsp_provider_create` (CProvider.h) and exports those routines of NSPv2 that it has (`Exports/*.map`); the host answers for the others.
public protocol NameSpaceProvider: AnyObject, Sendable {
  /// A client uses the provider for the first time. What is returned comes back with every call of the client.
  func startup(_ client: Client) throws(WinsockError) -> (any ProviderSession)?

  /// The client has ended, and every other call of its session.
  /// - Parameter hasVanished: It did not say goodbye.
  func end(_ session: any ProviderSession, hasVanished: Bool)

  /// A query. Must not wait: what takes time is the answer's.
  func lookup(_ query: Query, for session: (any ProviderSession)?) throws(WinsockError) -> Answer

  /// A registration, or its reverse. Completed exactly once, now or later.
  func set(_ registration: Registration, for session: (any ProviderSession)?, _ completion: Completion)

  /// The host lets go of the file, perhaps because it ends: what is to last reaches its lasting place. Takes less than two seconds. Every session
  /// has ended, and what was registered has been completed; the provider may be used again.
  func settle()

  /// Whether some of its records contain others; where not, whoever wants containers alone is told so.
  var hasContainers: Bool { get }
}

extension NameSpaceProvider {
  public func startup(_ client: Client) throws(WinsockError) -> (any ProviderSession)? { nil }
  public func end(_ session: any ProviderSession, hasVanished: Bool) {}
  public func set(_ registration: Registration, for session: (any ProviderSession)?, _ completion: Completion) {
    completion(.operationNotSupported)
  }
  public func settle() {}
  public var hasContainers: Bool { false }
}

/// What a provider keeps for a client.
public protocol ProviderSession: AnyObject, Sendable {}

/// Who a session is for, as the kernel says.
public struct Client: Sendable, Hashable {
  public var processID: Int32
  public var userID: UInt32
  public var groupID: UInt32
  /// Root, or the host's own user.
  public var isOperator: Bool

  public init(processID: Int32, userID: UInt32, groupID: UInt32, isOperator: Bool) {
    (self.processID, self.userID, self.groupID, self.isOperator) = (processID, userID, groupID, isOperator)
  }

  /// Whom the startup on this thread is for. Nil in no startup.
  static var current: Client? {
    var client = NSP_CLIENT()
    client.cbSize = DWORD(MemoryLayout<NSP_CLIENT>.size)
    guard NSPHostCurrentClient(&client) == 0 else { return nil }
    return Client(
      processID: Int32(bitPattern: client.dwProcessId), userID: client.dwUserId, groupID: client.dwGroupId,
      isOperator: client.dwTraits & DWORD(NSP_CLIENT_IS_OPERATOR) != 0)
  }
}

/// What is asked for: the restrictions with the query's class, and the flags.
public struct Query: Sendable {
  public var restrictions: QuerySet
  public var flags: LookupFlags

  public init(_ restrictions: QuerySet, flags: LookupFlags) { (self.restrictions, self.flags) = (restrictions, flags) }

  public var name: String? { restrictions.serviceInstanceName }
  public var serviceClass: GUID? { restrictions.serviceClassID }

  /// Whether registrations count whoever made them; else those that count for everybody, and the asking user's own.
  public var countsAllOwners: Bool { flags.contains(.allOwners) && !flags.contains(.secure) }

  /// Whether addresses of a family are wanted: those of every family where none is named.
  public func wants(family: Int32) -> Bool {
    restrictions.protocols.isEmpty || restrictions.protocols.contains { $0.addressFamily == family || $0.addressFamily == 0 }
  }
}

/// What is registered, and how (nsp.md §5.7).
public struct Registration: Sendable {
  public enum Operation: UInt32, Sendable {
    case register = 0
    case deregister = 1
    case delete = 2
  }

  public var set: QuerySet
  public var operation: Operation
  /// `SERVICE_MULTIPLE`: the addresses are added to those that are there, or taken from them.
  public var isMultiple: Bool
  /// A rule of the configuration permits it: it counts for everybody, as those of operators do (`NSP_SERVICE_FOR_EVERYBODY`).
  public var isPermitted: Bool

  /// Whose registration is taken back, where the query string says it (`user=NUMBER`): for operators, and for that user.
  public var owner: UInt32? { operation == .register ? nil : RegistrationBlob.user(in: set.queryString) }

  public init(_ set: QuerySet, _ operation: Operation, isMultiple: Bool, isPermitted: Bool = false) {
    (self.set, self.operation, self.isMultiple, self.isPermitted) = (set, operation, isMultiple, isPermitted)
  }
}

/// What a registration is answered with, once. Let go of without an answer, it answers that the provider has failed.
public final class Completion: Sendable {
  private let call: AsyncHandle

  init(_ call: HANDLE?) { self.call = AsyncHandle(call) }

  deinit { call.complete(.systemCallFailure) }

  /// Any thread.
  public func callAsFunction(_ error: WinsockError = .success) { call.complete(error) }
}

/// A provider on its way through C.
public final class ProviderBox: Sendable {
  let provider: any NameSpaceProvider

  private init(_ provider: any NameSpaceProvider) { self.provider = provider }

  /// What `nsp_provider_create` returns. Retained here; released never: a provider stays as long as its file, which is mapped for good.
  public static func retained(
    _ id: LPGUID?, _ error: LPINT?, _ make: (Settings) throws(WinsockError) -> any NameSpaceProvider
  ) -> UnsafeMutableRawPointer? {
    do throws(WinsockError) {
      guard let id = id?.pointee else { throw .invalidArgument }
      return Unmanaged.passRetained(ProviderBox(try make(Settings(id)))).toOpaque()
    } catch let failure {
      error?.pointee = failure.rawValue
      return nil
    }
  }
}
