// swift-format-ignore-file: AlwaysUseLowerCamelCase, NoLeadingUnderscores

import CNSSModule

// The hosts database, as glibc asks for it. Any thread.

private func text(_ name: UnsafePointer<CChar>) -> UnsafeRawBufferPointer {
  UnsafeRawBufferPointer(start: name, count: strlen(name))
}

private func host(
  _ question: ResolveQuestion, _ text: UnsafeRawBufferPointer, _ family: Int32, _ result: UnsafeMutablePointer<hostent>?,
  _ start: UnsafeMutablePointer<CChar>?, _ size: Int, _ ttlp: UnsafeMutablePointer<Int32>?,
  _ complete: (HostAnswer, UnsafeMutablePointer<hostent>, inout CallerBuffer) -> Status
) -> Status {
  guard let result, var buffer = CallerBuffer(start, size) else { return .bufferTooSmall }
  var packed = Status.nonsense
  let outcome = Call.ask(question, family: family, text) { payload in
    guard let answer = HostAnswer(payload) else { return }
    packed = complete(answer, result, &buffer)
    if let seconds = answer.timeToLive { ttlp?.pointee = seconds }
  }
  return Status(outcome, packed: packed)
}

@c @implementation
public func _nss_nsp_gethostbyname3_r(
  _ name: UnsafePointer<CChar>?, _ af: Int32, _ result: UnsafeMutablePointer<hostent>?, _ buffer: UnsafeMutablePointer<CChar>?,
  _ buflen: Int, _ errnop: UnsafeMutablePointer<Int32>?, _ h_errnop: UnsafeMutablePointer<Int32>?,
  _ ttlp: UnsafeMutablePointer<Int32>?, _ canonp: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> nss_status {
  guard let name, af == AF_INET || af == AF_INET6 else { return Status.familyNotSupported.give(errnop, h_errnop) }
  let status = host(.addresses, text(name), af, result, buffer, buflen, ttlp) { answer, result, buffer in
    let status = pack(answer, af, result, &buffer)
    if status.status == NSS_STATUS_SUCCESS { canonp?.pointee = result.pointee.h_name }
    return status
  }
  return status.give(errnop, h_errnop)
}

@c @implementation
public func _nss_nsp_gethostbyname2_r(
  _ name: UnsafePointer<CChar>?, _ af: Int32, _ result: UnsafeMutablePointer<hostent>?, _ buffer: UnsafeMutablePointer<CChar>?,
  _ buflen: Int, _ errnop: UnsafeMutablePointer<Int32>?, _ h_errnop: UnsafeMutablePointer<Int32>?
) -> nss_status {
  _nss_nsp_gethostbyname3_r(name, af, result, buffer, buflen, errnop, h_errnop, nil, nil)
}

@c @implementation
public func _nss_nsp_gethostbyname_r(
  _ name: UnsafePointer<CChar>?, _ result: UnsafeMutablePointer<hostent>?, _ buffer: UnsafeMutablePointer<CChar>?, _ buflen: Int,
  _ errnop: UnsafeMutablePointer<Int32>?, _ h_errnop: UnsafeMutablePointer<Int32>?
) -> nss_status {
  _nss_nsp_gethostbyname3_r(name, AF_INET, result, buffer, buflen, errnop, h_errnop, nil, nil)
}

@c @implementation
public func _nss_nsp_gethostbyname4_r(
  _ name: UnsafePointer<CChar>?, _ pat: UnsafeMutablePointer<UnsafeMutablePointer<gaih_addrtuple>?>?,
  _ buffer: UnsafeMutablePointer<CChar>?, _ buflen: Int, _ errnop: UnsafeMutablePointer<Int32>?,
  _ h_errnop: UnsafeMutablePointer<Int32>?, _ ttlp: UnsafeMutablePointer<Int32>?
) -> nss_status {
  guard let name, let pat, var room = CallerBuffer(buffer, buflen) else { return Status.bufferTooSmall.give(errnop, h_errnop) }
  var packed = Status.nonsense
  let outcome = Call.ask(.addresses, family: AF_UNSPEC, text(name)) { payload in
    guard let answer = HostAnswer(payload) else { return }
    packed = pack(answer, pat, &room)
    if let seconds = answer.timeToLive { ttlp?.pointee = seconds }
  }
  return Status(outcome, packed: packed).give(errnop, h_errnop)
}

@c @implementation
public func _nss_nsp_gethostbyaddr2_r(
  _ addr: UnsafeRawPointer?, _ len: socklen_t, _ af: Int32, _ result: UnsafeMutablePointer<hostent>?,
  _ buffer: UnsafeMutablePointer<CChar>?, _ buflen: Int, _ errnop: UnsafeMutablePointer<Int32>?,
  _ h_errnop: UnsafeMutablePointer<Int32>?, _ ttlp: UnsafeMutablePointer<Int32>?
) -> nss_status {
  guard let addr, af == AF_INET && len == 4 || af == AF_INET6 && len == 16 else {
    return Status.familyNotSupported.give(errnop, h_errnop)
  }
  let status = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { written in
    _ = inet_ntop(af, addr, written.baseAddress, socklen_t(written.count))
    return host(.names, text(written.baseAddress!), af, result, buffer, buflen, ttlp) { answer, result, buffer in
      pack(answer, named: UnsafeRawBufferPointer(start: addr, count: Int(len)), af, result, &buffer)
    }
  }
  return status.give(errnop, h_errnop)
}

@c @implementation
public func _nss_nsp_gethostbyaddr_r(
  _ addr: UnsafeRawPointer?, _ len: socklen_t, _ af: Int32, _ result: UnsafeMutablePointer<hostent>?,
  _ buffer: UnsafeMutablePointer<CChar>?, _ buflen: Int, _ errnop: UnsafeMutablePointer<Int32>?,
  _ h_errnop: UnsafeMutablePointer<Int32>?
) -> nss_status {
  _nss_nsp_gethostbyaddr2_r(addr, len, af, result, buffer, buflen, errnop, h_errnop, nil)
}
