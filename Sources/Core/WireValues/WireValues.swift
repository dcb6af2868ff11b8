import CWinsock
import QuerySets
import Wire

extension FrameWriter {
  /// Packs a query set or record in place and makes it relative.
  public mutating func append(_ set: some QuerySetSource) throws(QuerySetError) {
    let start = reserve(try set.packedSize(as: .v1))
    let failure: QuerySetError? = withBytes(from: start) { bytes in
      do throws(QuerySetError) { try set.pack(as: .v1, into: bytes) } catch { return error }
      SelfRelative.makeRelative(bytes)
      return nil
    }
    if let failure { throw failure }
  }

  /// The same for a service class.
  public mutating func append(_ serviceClass: ServiceClass) throws(QuerySetError) {
    let start = reserve(serviceClass.packedSize)
    let failure: QuerySetError? = withBytes(from: start) { bytes in
      do throws(QuerySetError) { try serviceClass.pack(into: bytes) } catch { return error }
      SelfRelative.makeClassRelative(bytes)
      return nil
    }
    if let failure { throw failure }
  }
}

extension ServiceClass {
  /// A class as it came; its offsets become pointers where it lies.
  public init(onTheWire bytes: UnsafeMutableRawBufferPointer) throws(WinsockError) {
    guard SelfRelative.resolveClass(bytes), let base = bytes.baseAddress else { throw .invalidArgument }
    do throws(QuerySetError) {
      let info = UnsafeRawPointer(base).assumingMemoryBound(to: WSASERVICECLASSINFOW.self)
      self = try ServiceClass(reading: info, in: .packed(UnsafeRawBufferPointer(bytes)))
    } catch { throw error.winsockError }
  }
}
