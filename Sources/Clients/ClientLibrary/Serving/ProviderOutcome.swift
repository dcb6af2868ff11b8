import CWinsock

#if !hasFeature(Embedded) && canImport(Wire)
  import Wire
#endif

/// What became of a call that a provider completes: its code, the bytes that it asked for with `WSAEFAULT`, and the record where it has one.
struct ProviderOutcome {
  var status: Int32
  var demanded: UInt32 = 0
  /// As it goes onto the wire.
  var record: [UInt8] = []

  init(status: Int32, demanded: UInt32 = 0, record: [UInt8] = []) {
    (self.status, self.demanded, self.record) = (status, demanded, record)
  }

  /// What an `INT` routine answered: a positive code is the code, -1 the thread's last error (nsp.md §5.3).
  static func status(_ code: INT) -> Int32 {
    guard code != 0 else { return 0 }
    let last = WSAGetLastError()
    if code != SOCKET_ERROR, code != 1 { return code }
    return last != 0 ? last : Int32(WSASYSCALLFAILURE)
  }

  /// Reads the record that a provider has left in a block: a copy, so that what it leads to is the provider's again. Only for a
  /// provider of this very program: where its pointers lead nowhere, it is its own program that ends.
  init(recordIn block: UnsafeMutableRawPointer) {
    let set = block.assumingMemoryBound(to: WSAQUERYSET2W.self).pointee
    guard set.dwSize >= UInt32(MemoryLayout<WSAQUERYSET2W>.size) else {
      self.init(status: Int32(WSASYSCALLFAILURE))
      return
    }
    var wide = WSAQUERYSETW(widening: set)
    var frame = FrameWriter(0, request: 0)
    let failure = withUnsafePointer(to: &wide) {
      QuerySetCopy.append(UnsafeRawPointer($0), .wide, for: .registration, to: &frame)
    }
    // What can't be read is no answer.
    if failure == 0 { self.init(recordOf: &frame) } else { self.init(status: Int32(WSASYSCALLFAILURE)) }
  }

  /// The record that was written into a frame, alone.
  init(recordOf frame: inout FrameWriter) {
    frame.align()
    guard frame.count <= Self.mostBytes else {
      self.init(status: Int32(WSAENOBUFS))
      return
    }
    self.init(status: 0, record: Array(frame.bytes[FrameHeader.size...]))
  }

  /// Of a record: what fits into a frame of the default size, with what is around it.
  private static var mostBytes: Int { Int(WireVersion.defaultMaximumFrame) - 256 }

  func append(to frame: inout FrameWriter) {
    var fields = OutcomeFields()
    (fields.status, fields.demanded, fields.size) = (UInt32(bitPattern: status), demanded, UInt32(record.count))
    fields.write(to: &frame)
    frame.append(record)
  }
}

extension WSAQUERYSETW {
  /// The version 1 form of a version 2 query set; what is pointed to stays where it is.
  init(widening set: WSAQUERYSET2W) {
    self.init(
      dwSize: UInt32(MemoryLayout<WSAQUERYSETW>.size), lpszServiceInstanceName: set.lpszServiceInstanceName,
      lpServiceClassId: nil,
      lpVersion: set.lpVersion, lpszComment: set.lpszComment, dwNameSpace: set.dwNameSpace, lpNSProviderId: set.lpNSProviderId,
      lpszContext: set.lpszContext, dwNumberOfProtocols: set.dwNumberOfProtocols, lpafpProtocols: set.lpafpProtocols,
      lpszQueryString: set.lpszQueryString, dwNumberOfCsAddrs: set.dwNumberOfCsAddrs, lpcsaBuffer: set.lpcsaBuffer,
      dwOutputFlags: set.dwOutputFlags, lpBlob: set.lpBlob)
  }
}

extension WSAQUERYSET2W {
  init(narrowing set: WSAQUERYSETW) {
    self.init(
      dwSize: UInt32(MemoryLayout<WSAQUERYSET2W>.size), lpszServiceInstanceName: set.lpszServiceInstanceName,
      lpVersion: set.lpVersion, lpszComment: set.lpszComment, dwNameSpace: set.dwNameSpace, lpNSProviderId: set.lpNSProviderId,
      lpszContext: set.lpszContext, dwNumberOfProtocols: set.dwNumberOfProtocols, lpafpProtocols: set.lpafpProtocols,
      lpszQueryString: set.lpszQueryString, dwNumberOfCsAddrs: set.dwNumberOfCsAddrs, lpcsaBuffer: set.lpcsaBuffer,
      dwOutputFlags: set.dwOutputFlags, lpBlob: set.lpBlob)
  }
}
