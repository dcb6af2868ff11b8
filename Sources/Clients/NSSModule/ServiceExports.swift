// swift-format-ignore-file: AlwaysUseLowerCamelCase, NoLeadingUnderscores

import CNSSModule

// The services database, as glibc asks for it. Any thread.

/// Asks for `first/protocol`, or for `first` alone.
private func service(
  _ first: UnsafeRawBufferPointer, _ proto: UnsafePointer<CChar>?, _ result: UnsafeMutablePointer<servent>?,
  _ start: UnsafeMutablePointer<CChar>?, _ size: Int
) -> Status {
  guard let result, var buffer = CallerBuffer(start, size) else { return .bufferTooSmall }
  let given = UnsafeRawBufferPointer(start: proto, count: proto.map { strlen($0) } ?? 0)
  guard first.count + given.count < 512 else { return .notFound }
  return withUnsafeTemporaryAllocation(byteCount: first.count + given.count + 1, alignment: 1) { asked in
    UnsafeMutableRawBufferPointer(rebasing: asked[..<first.count]).copyMemory(from: first)
    asked[first.count] = UInt8(ascii: "/")
    UnsafeMutableRawBufferPointer(rebasing: asked[(first.count + 1)...]).copyMemory(from: given)
    let text = UnsafeRawBufferPointer(rebasing: asked[..<(proto == nil ? first.count : asked.count)])
    var packed = Status.nonsense
    let outcome = Call.ask(.port, family: AF_UNSPEC, text) { payload in
      guard let answer = HostAnswer(payload) else { return }
      packed = pack(answer, given, result, &buffer)
    }
    return Status(outcome, packed: packed)
  }
}

@c @implementation
public func _nss_nsp_getservbyname_r(
  _ name: UnsafePointer<CChar>?, _ proto: UnsafePointer<CChar>?, _ result: UnsafeMutablePointer<servent>?,
  _ buffer: UnsafeMutablePointer<CChar>?, _ buflen: Int, _ errnop: UnsafeMutablePointer<Int32>?
) -> nss_status {
  guard let name else { return Status.notFound.give(errnop) }
  let text = UnsafeRawBufferPointer(start: name, count: strlen(name))
  // The host would take it for a port.
  if text.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) { return Status.notFound.give(errnop) }
  return service(text, proto, result, buffer, buflen).give(errnop)
}

@c @implementation
public func _nss_nsp_getservbyport_r(
  _ port: Int32, _ proto: UnsafePointer<CChar>?, _ result: UnsafeMutablePointer<servent>?,
  _ buffer: UnsafeMutablePointer<CChar>?, _ buflen: Int, _ errnop: UnsafeMutablePointer<Int32>?
) -> nss_status {
  withUnsafeTemporaryAllocation(byteCount: 5, alignment: 1) { digits in
    // In network order, in the lower half.
    var (rest, start) = (UInt16(truncatingIfNeeded: port).byteSwapped, digits.count)
    repeat {
      start -= 1
      digits[start] = UInt8(ascii: "0") + UInt8(rest % 10)
      rest /= 10
    } while rest > 0
    return service(UnsafeRawBufferPointer(rebasing: digits[start...]), proto, result, buffer, buflen).give(errnop)
  }
}
