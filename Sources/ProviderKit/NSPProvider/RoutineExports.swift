// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CProvider
import CWinsock
import QuerySets
import Rundown

// The routines of NSPv2 (ws2spi.h) for a provider in Swift. A file exports those that it has.

private enum Making {
  case notYet
  case made(any NameSpaceProvider)
  /// It is tried again, but not at every call: what it takes and says is the same as a rule.
  case failed(WinsockError, at: ContinuousClock.Instant)
}

/// The file's provider. Made under the lock: whoever comes meanwhile needs it as well, and making it calls nobody who would come back here.
private let making = Locked<Making>(.notYet)
private let pause = Duration.seconds(1)

private func provider(_ id: LPGUID?) throws(WinsockError) -> any NameSpaceProvider {
  let result: Result<any NameSpaceProvider, WinsockError> = making.withLock { making in
    switch making {
    case .made(let provider): return .success(provider)
    case .failed(let error, let moment) where ContinuousClock.now < moment + pause: return .failure(error)
    case .failed, .notYet:
      var code = WSAEPROVIDERFAILEDINIT
      if let id { Condition.begin(id.pointee) }
      guard let box = nsp_provider_create(id, &code) else {
        let error = WinsockError(rawValue: code)
        Condition.end(error)
        making = .failed(error, at: .now)
        return .failure(error)
      }
      Condition.end(nil)
      // Retained in `ProviderBox.retained`, for good.
      let provider = Unmanaged<ProviderBox>.fromOpaque(box).takeUnretainedValue().provider
      making = .made(provider)
      return .success(provider)
    }
  }
  return try result.get()
}

/// The queries that are open. End may come while NextEx runs, so that a pointer would not do.
private let answers = HandleTable<Answer>(kind: 1)

/// A session's argument: what the provider keeps for a client.
private final class SessionBox {
  let session: any ProviderSession
  init(_ session: any ProviderSession) { self.session = session }
}

private func session(_ argument: LPVOID?) -> (any ProviderSession)? {
  // Borrowed: retained in NSPv2Startup until the session ends.
  argument.map { Unmanaged<SessionBox>.fromOpaque($0).takeUnretainedValue().session }
}

/// The host's query set as a value, with the class that its routine is called for.
private func read(_ set: LPWSAQUERYSET2W?) throws(WinsockError) -> QuerySet {
  guard let set else { throw .fault }
  var value: QuerySet
  do throws(QuerySetError) { value = QuerySet(try QuerySetView(reading: set, in: .own)) } catch {
    throw error.winsockError
  }
  var serviceClass = GUID()
  if NSPHostCurrentServiceClass(&serviceClass, nil, nil) == 0 { value.serviceClassID = serviceClass }
  return value
}

private func result(_ body: () throws(WinsockError) -> Void) -> INT {
  do throws(WinsockError) {
    try body()
    return NO_ERROR
  } catch {
    WSASetLastError(error.rawValue)
    return SOCKET_ERROR
  }
}

@c @implementation
public func NSPProviderPrepare(_ lpProviderId: LPGUID?) {
  // What keeps it from being made is reported where it is found.
  _ = try? provider(lpProviderId)
}

@c @implementation
public func NSPModuleUnload() {
  if case .made(let provider) = making.withLock({ $0 }) { provider.settle() }
}

@c @implementation
public func NSPv2Startup(_ lpProviderId: LPGUID?, _ ppvClientSessionArg: UnsafeMutablePointer<LPVOID?>?) -> INT {
  result { () throws(WinsockError) in
    guard let client = Client.current, let argument = ppvClientSessionArg else { throw .invalidArgument }
    guard let session = try provider(lpProviderId).startup(client) else { return }
    // Retained here, released in `end(_:_:hasVanished:)`.
    argument.pointee = Unmanaged.passRetained(SessionBox(session)).toOpaque()
  }
}

private func end(_ id: LPGUID?, _ argument: LPVOID?, hasVanished: Bool) {
  guard let argument else { return }
  // Retained in NSPv2Startup.
  let box = Unmanaged<SessionBox>.fromOpaque(argument).takeRetainedValue()
  if case .made(let provider) = making.withLock({ $0 }) { provider.end(box.session, hasVanished: hasVanished) }
}

@c @implementation
public func NSPv2Cleanup(_ lpProviderId: LPGUID?, _ pvClientSessionArg: LPVOID?) -> INT {
  end(lpProviderId, pvClientSessionArg, hasVanished: false)
  return NO_ERROR
}

@c @implementation
public func NSPv2ClientSessionRundown(_ lpProviderId: LPGUID?, _ pvClientSessionArg: LPVOID?) {
  end(lpProviderId, pvClientSessionArg, hasVanished: true)
}

@c @implementation
public func NSPv2LookupServiceBegin(
  _ lpProviderId: LPGUID?, _ lpqsRestrictions: LPWSAQUERYSET2W?, _ dwControlFlags: DWORD, _ lpvClientSessionArg: LPVOID?,
  _ lphLookup: LPHANDLE?
) -> INT {
  result { () throws(WinsockError) in
    let provider = try provider(lpProviderId)
    let query = Query(try read(lpqsRestrictions), flags: LookupFlags(rawValue: dwControlFlags))
    let answer: Answer
    do throws(WinsockError) {
      if query.flags.contains(.containers), !provider.hasContainers { throw .noData }
      answer = try provider.lookup(query, for: session(lpvClientSessionArg))
    } catch {
      // That there is nothing is an answer: clients expect it of their first Next, whoever else is asked.
      guard [.serviceNotFound, .hostNotFound, .noData].contains(error) else { throw error }
      answer = Answer()
      answer.finish(error)
    }
    guard let handle = answers.insert(answer) else { throw .notEnoughMemory }
    lphLookup?.pointee = handle.pointer
  }
}

@c @implementation
public func NSPv2LookupServiceNextEx(
  _ hAsyncCall: HANDLE?, _ hLookup: HANDLE?, _ dwControlFlags: DWORD, _ lpdwBufferLength: LPDWORD?,
  _ lpqsResults: LPWSAQUERYSET2W?
) {
  let call = AsyncHandle(hAsyncCall)
  guard let answer = answers[Handle(hLookup)], let length = lpdwBufferLength, let block = lpqsResults else {
    return call.complete(.cancelled)
  }
  answer.next(
    Answer.WaitingNext(call: call, length: length, block: block),
    skipsKept: LookupFlags(rawValue: dwControlFlags).contains(.flushPrevious))
}

@c @implementation
public func NSPv2LookupServiceEnd(_ hLookup: HANDLE?) -> INT {
  result { () throws(WinsockError) in
    guard let answer = answers.remove(Handle(hLookup)) else { throw .invalidHandle }
    answer.end()
  }
}

@c @implementation
public func NSPv2SetServiceEx(
  _ hAsyncCall: HANDLE?, _ lpProviderId: LPGUID?, _ lpqsRegInfo: LPWSAQUERYSET2W?, _ essOperation: WSAESETSERVICEOP,
  _ dwControlFlags: DWORD, _ lpvClientSessionArg: LPVOID?
) {
  let completion = Completion(hAsyncCall)
  do throws(WinsockError) {
    guard let operation = Registration.Operation(rawValue: essOperation.rawValue),
      dwControlFlags & ~(DWORD(SERVICE_MULTIPLE) | NSP_SERVICE_FOR_EVERYBODY) == 0
    else { throw .operationNotSupported }
    let registration = Registration(
      try read(lpqsRegInfo), operation, isMultiple: dwControlFlags & DWORD(SERVICE_MULTIPLE) != 0,
      isPermitted: dwControlFlags & NSP_SERVICE_FOR_EVERYBODY != 0)
    try provider(lpProviderId).set(registration, for: session(lpvClientSessionArg), completion)
  } catch {
    completion(error)
  }
}
