import CNSSModule

/// What the host answers glibc's module with, laid into buffers of every size: nothing is read that did not come, and nothing is written that
/// the caller did not give.
///
/// The first four bytes say how large the buffer is and where it begins; the rest is the answer.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count >= 4 else { return 0 }
  let (size, offset) = (Int(start[0]) | Int(start[1] & 0x3F) << 8, Int(start[2] & 7))
  // Each in memory of its own size, so that the sanitizer sees what is beyond.
  let payload = UnsafeMutableRawBufferPointer.allocate(byteCount: count - 4, alignment: 16)
  defer { payload.deallocate() }
  payload.copyMemory(from: UnsafeRawBufferPointer(start: start + 4, count: count - 4))
  guard let answer = HostAnswer(UnsafeRawBufferPointer(payload)) else { return 0 }
  func laid(_ pack: (inout CallerBuffer) -> Status) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size + offset, alignment: 16)
    defer { memory.deallocate() }
    guard var buffer = CallerBuffer((memory + offset).assumingMemoryBound(to: CChar.self), size) else { return }
    let status = pack(&buffer)
    precondition(status.status == NSS_STATUS_SUCCESS || status.errno == ERANGE || status.status == NSS_STATUS_NOTFOUND)
  }
  var host = hostent()
  var service = servent()
  for family in [AF_INET, AF_INET6] {
    laid { buffer in
      let status = pack(answer, family, &host, &buffer)
      if status.status == NSS_STATUS_SUCCESS { precondition(strlen(host.h_name) >= 0 && host.h_addr_list[0] != nil) }
      return status
    }
  }
  laid { buffer in
    var list: UnsafeMutablePointer<gaih_addrtuple>?
    let status = pack(answer, &list, &buffer)
    var next = status.status == NSS_STATUS_SUCCESS ? list : nil
    var tuples = 0
    while let one = next { (tuples, next) = (tuples + 1, one.pointee.next) }
    precondition(status.status != NSS_STATUS_SUCCESS || tuples == answer.addressCount)
    return status
  }
  laid { buffer in pack(answer, named: UnsafeRawBufferPointer(start: start, count: 4), AF_INET, &host, &buffer) }
  laid { buffer in pack(answer, UnsafeRawBufferPointer(start: start, count: Int(start[3] & 3)), &service, &buffer) }
  return 0
}
