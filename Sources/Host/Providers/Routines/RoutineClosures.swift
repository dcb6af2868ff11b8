import CWinsock
import QuerySets

/// C functions for the routines of a provider that are Swift code: made where foreign code asks for a table of them, and on no call path of the host's.
final class RoutineClosures: Sendable {
  /// What a routine is called for, asked on the thread of the call.
  typealias Context = @Sendable () -> CallContext

  private let closures: [(ProviderRoutine, RoutineClosure)]

  /// Nil when the system gives no memory for another closure.
  /// - Parameter complete: For asynchronous calls without a place for what they ask for.
  init?(_ routines: any ProviderRoutines, context: @escaping Context, complete: @escaping AsyncCompletion) {
    var closures: [(ProviderRoutine, RoutineClosure)] = []
    for routine in ProviderRoutine.allCases where routines.entry(routine) != .stub {
      guard let closure = RoutineClosure(routine, Self.performance(of: routine, by: routines, context, complete)) else {
        return nil
      }
      closures.append((routine, closure))
    }
    self.closures = closures
  }

  private static func performance(
    of routine: ProviderRoutine, by routines: any ProviderRoutines, _ context: @escaping Context,
    _ complete: @escaping AsyncCompletion
  ) -> RoutineClosure.Performance {
    let refuse: RoutineClosure.Performance = { arguments in
      complete(arguments.pointer(0), WSAEFAULT)
      return answer(.fault)
    }
    return switch routine {
    case .startup:
      { arguments in
        guard let id = id(arguments, 0) else { return answer(.fault) }
        switch routines.startup(id, context()) {
        case .failure(let error): return answer(error)
        case .success(let argument):
          arguments.pointer(1)?.storeBytes(of: argument.pointer, as: UnsafeMutableRawPointer?.self)
          return 0
        }
      }
    case .cleanup:
      { arguments in
        guard let id = id(arguments, 0) else { return answer(.fault) }
        return answer(routines.cleanup(id, SessionArgument(arguments.pointer(1))))
      }
    case .lookupServiceBegin:
      { arguments in
        guard let id = id(arguments, 0), let set = arguments.pointer(1)?.assumingMemoryBound(to: WSAQUERYSET2W.self) else {
          return answer(.fault)
        }
        let result = routines.lookupServiceBegin(
          id, restrictions: set, flags: LookupFlags(rawValue: arguments.dword(2)),
          argument: SessionArgument(arguments.pointer(3)), context())
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
        else { return refuse(arguments) }
        routines.lookupServiceNextEx(
          asyncCall: arguments.pointer(0), lookup: ProviderLookupHandle(pointer: arguments.pointer(1)),
          flags: LookupFlags(rawValue: arguments.dword(2)), length: length, block: block, context())
        return 0
      }
    case .lookupServiceEnd: { answer(routines.lookupServiceEnd(ProviderLookupHandle(pointer: $0.pointer(0)))) }
    case .setServiceEx:
      { arguments in
        guard let id = arguments.pointer(1)?.assumingMemoryBound(to: GUID.self),
          let set = arguments.pointer(2)?.assumingMemoryBound(to: WSAQUERYSET2W.self)
        else { return refuse(arguments) }
        routines.setServiceEx(
          asyncCall: arguments.pointer(0), id, registration: set, operation: WSAESETSERVICEOP(rawValue: arguments.dword(3)),
          flags: arguments.dword(4), argument: SessionArgument(arguments.pointer(5)), context())
        return 0
      }
    case .clientSessionRundown:
      { arguments in
        guard let id = id(arguments, 0) else { return answer(.fault) }
        routines.clientSessionRundown(id, SessionArgument(arguments.pointer(1)))
        return 0
      }
    }
  }

  private static func id(_ arguments: RoutineArguments, _ place: Int) -> GUID? {
    arguments.pointer(place)?.load(as: GUID.self)
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
        bytes.storeBytes(of: closure.code, toByteOffset: NSPV2_ROUTINE.offset(of: routine), as: UnsafeMutableRawPointer.self)
      }
    }
  }
}
