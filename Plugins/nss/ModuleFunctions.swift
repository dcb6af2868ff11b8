import CModuleABI
import Glibc
import QuerySets

/// The functions of one module, and the only way to them.
///
/// By glibc's contract they may be called on any thread, put everything that they answer into the caller's buffer, and say by
/// `NSS_STATUS_TRYAGAIN` with `ERANGE` that it is too small. They may take any time.
struct ModuleFunctions: Sendable {
  private static let smallestBuffer = 1 << 10
  private static let largestBuffer = 1 << 20

  /// Why a file can't be loaded, in the dynamic linker's words.
  struct LoadError: Error {
    var reason: String
  }

  // Code of the module's, which stays loaded as long as the process; nil where it has no such function.
  private let gethostbyname4: nsp_gethostbyname4?
  private let gethostbyname3: nsp_gethostbyname3?
  private let gethostbyname2: nsp_gethostbyname2?
  private let gethostbyname: nsp_gethostbyname?
  private let gethostbyaddr2: nsp_gethostbyaddr2?
  private let gethostbyaddr: nsp_gethostbyaddr?
  private let getservbyname: nsp_getservbyname?
  private let getservbyport: nsp_getservbyport?

  /// What glibc does before it calls any module.
  static func prepare() { nsp_read_host_configuration() }

  /// Runs the constructors of the file, which may take any time.
  init(of module: String, file: String) throws(LoadError) {
    // Never closed: modules keep things by thread, and glibc doesn't close them either.
    guard let library = dlopen(file, RTLD_NOW | RTLD_LOCAL) else {
      throw LoadError(reason: dlerror().map { String(cString: $0) } ?? "the dynamic linker does not say why")
    }
    func function<Function>(_ name: String, _ type: Function.Type) -> Function? {
      // The types are those that glibc's own header declares for functions of these names.
      dlsym(library, "_nss_\(module)_\(name)_r").map { unsafeBitCast($0, to: type) }
    }
    gethostbyname4 = function("gethostbyname4", nsp_gethostbyname4.self)
    gethostbyname3 = function("gethostbyname3", nsp_gethostbyname3.self)
    gethostbyname2 = function("gethostbyname2", nsp_gethostbyname2.self)
    gethostbyname = function("gethostbyname", nsp_gethostbyname.self)
    gethostbyaddr2 = function("gethostbyaddr2", nsp_gethostbyaddr2.self)
    gethostbyaddr = function("gethostbyaddr", nsp_gethostbyaddr.self)
    getservbyname = function("getservbyname", nsp_getservbyname.self)
    getservbyport = function("getservbyport", nsp_getservbyport.self)
  }

  var findsAddresses: Bool { gethostbyname4 != nil }
  /// Whether it can be asked for the addresses of one family.
  var findsFamilies: Bool { gethostbyname3 != nil || gethostbyname2 != nil }
  var findsHosts: Bool { findsFamilies || gethostbyname != nil }
  var findsNames: Bool { gethostbyaddr2 != nil || gethostbyaddr != nil }
  var findsServices: Bool { getservbyname != nil || getservbyport != nil }

  // MARK: Calls of the module's code

  /// The addresses of a name, of every family; no aliases.
  func addresses(of name: String) throws(Shortfall) -> FoundHost {
    guard let gethostbyname4 else { throw .lacking }
    return try Self.withText(name) { name throws(Shortfall) in
      var first: UnsafeMutablePointer<gaih_addrtuple>?
      var timeToLive: Int32 = -1
      return try Self.call {
        first = nil
        return gethostbyname4(name, &first, $0.start, $0.size, &$0.error, &$0.hostError, &timeToLive)
      } read: { memory throws(Shortfall) in
        try memory.host(first, timeToLive: timeToLive)
      }
    }
  }

  /// The host of a name with its aliases, and the addresses of one family. A module that can't tell families apart gives those that it has.
  func host(named name: String, family: Int32) throws(Shortfall) -> FoundHost {
    guard findsHosts else { throw .lacking }
    return try Self.withText(name) { name throws(Shortfall) in
      var canonicalName: UnsafeMutablePointer<CChar>?
      return try Self.callForHost { room, host, timeToLive in
        if let gethostbyname3 {
          return gethostbyname3(
            name, family, &host, room.start, room.size, &room.error, &room.hostError, &timeToLive, &canonicalName)
        }
        if let gethostbyname2 {
          return gethostbyname2(name, family, &host, room.start, room.size, &room.error, &room.hostError)
        }
        return gethostbyname?(name, &host, room.start, room.size, &room.error, &room.hostError) ?? NSS_STATUS_UNAVAIL
      }
    }
  }

  /// The host of an address.
  func host(at address: SocketAddress) throws(Shortfall) -> FoundHost {
    guard findsNames, let family = address.family, let bytes = address.host.map(Array.init) else { throw .lacking }
    return try bytes.withUnsafeBufferPointer { bytes throws(Shortfall) in
      let length = socklen_t(bytes.count)
      return try Self.callForHost { room, host, timeToLive in
        if let gethostbyaddr2 {
          return gethostbyaddr2(
            bytes.baseAddress, length, family, &host, room.start, room.size, &room.error, &room.hostError, &timeToLive)
        }
        return gethostbyaddr?(bytes.baseAddress, length, family, &host, room.start, room.size, &room.error, &room.hostError)
          ?? NSS_STATUS_UNAVAIL
      }
    }
  }

  /// A service by its name or an alias; of any protocol where none is named.
  func service(named name: String, over protocolName: String?) throws(Shortfall) -> FoundService {
    guard let getservbyname else { throw .lacking }
    return try Self.withText(name) { name throws(Shortfall) in
      try Self.withText(protocolName) { protocolName throws(Shortfall) in
        try Self.callForService { room, service in
          getservbyname(name, protocolName, &service, room.start, room.size, &room.error)
        }
      }
    }
  }

  func service(at port: UInt16, over protocolName: String?) throws(Shortfall) -> FoundService {
    guard let getservbyport else { throw .lacking }
    return try Self.withText(protocolName) { protocolName throws(Shortfall) in
      try Self.callForService { room, service in
        getservbyport(Int32(port.bigEndian), protocolName, &service, room.start, room.size, &room.error)
      }
    }
  }

  // MARK: What they have in common

  /// A text of C, which lasts until the answer has been read: modules may answer with what they were asked with.
  private static func withText<Found>(
    _ text: String?, _ body: (UnsafePointer<CChar>?) throws(Shortfall) -> Found
  ) throws(Shortfall) -> Found {
    guard let text else { return try body(nil) }
    return try text.utf8CString.withUnsafeBufferPointer { text throws(Shortfall) in try body(text.baseAddress) }
  }

  private static func callForHost(
    _ function: (inout Room, inout hostent, inout Int32) -> nss_status
  ) throws(Shortfall) -> FoundHost {
    var host = hostent()
    var timeToLive: Int32 = -1
    return try call {
      host = hostent()
      return function(&$0, &host, &timeToLive)
    } read: { memory throws(Shortfall) in
      try memory.host(host, timeToLive: timeToLive)
    }
  }

  private static func callForService(_ function: (inout Room, inout servent) -> nss_status) throws(Shortfall) -> FoundService {
    var service = servent()
    return try call {
      service = servent()
      return function(&$0, &service)
    } read: { memory throws(Shortfall) in
      try memory.service(service)
    }
  }

  /// What the caller gives a function: room for its answer, and where it puts its two kinds of error numbers.
  private struct Room {
    let buffer: UnsafeMutableRawBufferPointer
    var error: Int32 = 0
    var hostError: Int32 = 0

    var start: UnsafeMutablePointer<CChar>? { buffer.baseAddress?.assumingMemoryBound(to: CChar.self) }
    var size: Int { buffer.count }
  }

  /// Calls a function with more and more room until that is enough, then reads what it has left there.
  private static func call<Found>(
    _ function: (inout Room) -> nss_status, read: (ModuleMemory) throws(Shortfall) -> Found
  ) throws(Shortfall) -> Found {
    var size = smallestBuffer
    while size <= largestBuffer {
      // The module writes to it during the call only; it is ours before and after, and freed at the end of each round.
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
      defer { buffer.deallocate() }
      // A module that leaves parts of it as they were must not find what others have left there.
      buffer.initializeMemory(as: UInt8.self, repeating: 0)
      var room = Room(buffer: buffer)
      let status = function(&room)
      switch status {
      case NSS_STATUS_SUCCESS: return try read(ModuleMemory(UnsafeRawBufferPointer(buffer)))
      case NSS_STATUS_TRYAGAIN where room.error == ERANGE: size *= 2
      case NSS_STATUS_TRYAGAIN: throw .tryAgain
      case NSS_STATUS_NOTFOUND: throw room.hostError == NO_DATA ? .noData : .unknown
      case NSS_STATUS_UNAVAIL: throw .unavailable
      default: throw .rubbish("status \(status.rawValue)")
      }
    }
    throw .tooLarge
  }
}
