import CWinsock
import QuerySets

/// The routine table of a version 1 provider as the engine knows providers: it has no sessions; NextEx and SetServiceEx run the
/// provider's synchronous routines on the thread that they are called on, and complete the call with what those answer (nsp.md §6).
///
/// The engine calls such a provider on threads of the host that clients can leave.
public final class Version1Adapter: Sendable {
  /// The class that the query or the registration at hand names, and what is known of it; asked on the thread of the routine.
  public typealias ClassInQuestion = @Sendable () -> (id: GUID, known: ServiceClass?)?

  private let closures: [(routine: ProviderRoutine, closure: RoutineClosure)]

  /// Nil when the system gives no memory for closures.
  /// - Parameter serviceClass: Asked once in each Begin and SetServiceEx.
  init?(_ routines: Version1Routines, complete: @escaping AsyncCompletion, serviceClass: @escaping ClassInQuestion) {
    let performances: [(ProviderRoutine, RoutineClosure.Performance)] = [
      (
        .lookupServiceBegin,
        { arguments in
          guard let restrictions = arguments.pointer(1) else { return Self.result(.fault) }
          let given = restrictions.assumingMemoryBound(to: WSAQUERYSET2W.self).pointee
          return Self.result(
            Self.with(serviceClass(), given) { id, info in
              var set = WSAQUERYSETW(given, serviceClass: id)
              let handle = arguments.pointer(4)?.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
              return routines.lookupServiceBegin(&set, info, arguments.dword(2), handle)
            })
        }
      ),
      (
        .lookupServiceNextEx,
        { arguments in
          let call = arguments.pointer(0)
          guard let length = arguments.pointer(3)?.assumingMemoryBound(to: UInt32.self),
            let block = arguments.pointer(4)?.assumingMemoryBound(to: WSAQUERYSET2W.self)
          else {
            complete(call, WSAEFAULT)
            return 0
          }
          Self.next(routines, arguments, length, block) { complete(call, $0) }
          return 0
        }
      ),
      (.lookupServiceEnd, { arguments in Self.result(routines.lookupServiceEnd(arguments.pointer(0))) }),
      (
        .setServiceEx,
        { arguments in
          guard let registration = arguments.pointer(2) else {
            complete(arguments.pointer(0), WSAEFAULT)
            return 0
          }
          let given = registration.assumingMemoryBound(to: WSAQUERYSET2W.self).pointee
          let failure = Self.with(serviceClass(), given) { id, info in
            var set = WSAQUERYSETW(given, serviceClass: id)
            return routines.setService(info, &set, arguments.dword(3), arguments.dword(4))
          }
          complete(arguments.pointer(0), failure?.rawValue ?? 0)
          return 0
        }
      ),
    ]
    var closures: [(ProviderRoutine, RoutineClosure)] = []
    for (routine, performance) in performances {
      guard let closure = RoutineClosure(routine, performance) else { return nil }
      closures.append((routine, closure))
    }
    self.closures = closures
  }

  /// Lends the routine the class and what is known of it: private copies, valid during the call. Where none is named it is the customary one.
  private static func with(
    _ named: (id: GUID, known: ServiceClass?)?, _ set: WSAQUERYSET2W,
    _ call: (UnsafeMutablePointer<GUID>, LPWSASERVICECLASSINFOW?) -> WinsockError?
  ) -> WinsockError? {
    var id = named?.id ?? CustomaryClass.id(for: set)
    let known = named?.known
    return withUnsafeMutablePointer(to: &id) { id in
      guard let known else { return call(id, nil) }
      return known.withPacked { call(id, $0) }
    }
  }

  /// The record comes into the block of the call, in its version 1 form, which is longer by one pointer.
  private static func next(
    _ routines: Version1Routines, _ arguments: RoutineArguments, _ length: UnsafeMutablePointer<UInt32>,
    _ block: UnsafeMutablePointer<WSAQUERYSET2W>, _ complete: (Int32) -> Void
  ) {
    let size = length.pointee
    guard size >= UInt32(MemoryLayout<WSAQUERYSETW>.size) else {
      length.pointee = UInt32(MemoryLayout<WSAQUERYSETW>.size)
      return complete(WSAEFAULT)
    }
    let memory = UnsafeMutableRawPointer(block)
    // What the provider does not write shows nobody anything.
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Int(size))
    var needed = size
    let failure = routines.lookupServiceNext(
      arguments.pointer(1), arguments.dword(2), &needed, memory.assumingMemoryBound(to: WSAQUERYSETW.self))
    if let failure {
      if failure == .fault { length.pointee = needed }
      complete(failure.rawValue)
    } else {
      block.pointee = WSAQUERYSET2W(memory.load(as: WSAQUERYSETW.self))
      complete(0)
    }
  }

  /// `INT` routines leave their code in the thread's last error.
  private static func result(_ failure: WinsockError?) -> Int32 {
    guard let failure else { return 0 }
    WSASetLastError(failure.rawValue)
    return SOCKET_ERROR
  }

  /// To be completed by stubs for what version 1 does not have.
  var table: NSPV2_ROUTINE {
    var table = NSPV2_ROUTINE()
    table.cbSize = UInt32(MemoryLayout<NSPV2_ROUTINE>.size)
    table.dwMajorVersion = 1
    withUnsafeMutableBytes(of: &table) { bytes in
      for (routine, closure) in closures {
        bytes.storeBytes(of: closure.code, toByteOffset: RoutineTable.entryOffset(routine), as: UnsafeMutableRawPointer.self)
      }
    }
    return table
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
