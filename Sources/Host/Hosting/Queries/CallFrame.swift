import CWinsock
import Glibc
import Providers
import QuerySets
import Sessions

/// The routine of a provider that runs on this thread: how deep providers have called back into the host (nsp.md T8), and what its code finds
/// behind `NSPHostCurrentClient` and the other functions that have no argument for it.
struct CallFrame {
  private let depth: Int
  let query: QueryID
  /// The class that the query or registration names, in the routines that are told what is asked for.
  let serviceClass: QueryClass?
  /// Where a session is opened: whom for.
  let client: ClientIdentity?
  // Not retained: whoever calls the routine keeps the provider until it returns.
  private let called: Unmanaged<Provider>

  var provider: Provider { called.takeUnretainedValue() }

  static let maximumDepth = 16

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    let status = pthread_key_create(&key, nil)
    precondition(status == 0, "the process has no thread-specific data left")
    return key
  }()

  /// Nil on a thread that is in no routine.
  static var current: CallFrame? {
    pthread_getspecific(key).map { $0.assumingMemoryBound(to: CallFrame.self).pointee }
  }

  static var depth: Int { current?.depth ?? 0 }

  /// Runs a routine of a provider one level deeper.
  static func inside<Result>(
    _ provider: Provider, _ query: QueryID, serviceClass: QueryClass? = nil, client: ClientIdentity? = nil,
    _ routine: () -> Result
  ) -> Result {
    let outer = pthread_getspecific(key)
    let depth = outer.map { $0.assumingMemoryBound(to: CallFrame.self).pointee.depth } ?? 0
    // On this stack for as long as the routine runs.
    let frame = CallFrame(
      depth: depth + 1, query: query, serviceClass: serviceClass, client: client, called: .passUnretained(provider))
    return withUnsafePointer(to: frame) { frame in
      pthread_setspecific(key, frame)
      defer { pthread_setspecific(key, outer) }
      return routine()
    }
  }
}
