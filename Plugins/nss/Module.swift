import Glibc
import QuerySets

/// One module of the name service switch, and how its functions make up for those that it has not.
struct Module: Sendable {
  let name: String
  private let functions: ModuleFunctions

  init(_ name: String, folder: String?) throws(ModuleFunctions.LoadError) {
    self.name = name
    // The dynamic linker looks into its usual folders for what has no slash.
    var file = Self.file(of: name)
    if let folder, access("\(folder)/\(file)", F_OK) == 0 {
      file = "\(folder)/\(file)"
      for path in [folder, file] where !Self.isOurs(path) {
        throw ModuleFunctions.LoadError(reason: "\(path) belongs to others than root and the running user, or they can write it")
      }
    }
    functions = try ModuleFunctions(of: name, file: file)
  }

  /// What the host demands of providers' files, it demands of theirs.
  private static func isOurs(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && (status.st_uid == 0 || status.st_uid == geteuid()) && status.st_mode & 0o022 == 0
  }

  static func file(of name: String) -> String { "libnss_\(name).so.2" }

  /// Whether it has anything for hosts or services at all.
  var isOfUse: Bool {
    functions.findsAddresses || functions.findsHosts || functions.findsNames || functions.findsServices
  }

  /// The addresses of a name, of these families alone.
  func host(named name: String, families: [Int32], withAliases: Bool) throws(Shortfall) -> FoundHost {
    guard functions.findsAddresses else { return try hosts(named: name, families: families) }
    var host = try functions.addresses(of: name).limited(to: families)
    if host.name.isEmpty { host.name = name }
    // The function that knows all addresses knows no aliases; those that do are asked for the families that there are.
    if withAliases, functions.findsHosts {
      let present = families.filter { family in host.addresses.contains { $0.family == family } }
      if var more = try? hosts(named: name, families: present) {
        more.addresses = []
        host.add(more)
      }
    }
    return host
  }

  /// The same, put together from what is known of each family.
  private func hosts(named name: String, families: [Int32]) throws(Shortfall) -> FoundHost {
    var found: FoundHost?
    var shortfall = Shortfall.lacking
    for family in functions.findsFamilies ? families : [AF_INET] {
      do throws(Shortfall) {
        let host = try functions.host(named: name, family: family)
        if found == nil { found = host } else { found?.add(host) }
      } catch {
        shortfall = error.orWorthier(shortfall)
      }
    }
    guard let found else { throw shortfall }
    return try found.limited(to: families)
  }

  func host(at address: SocketAddress) throws(Shortfall) -> FoundHost { try functions.host(at: address) }

  func service(named name: String, over protocolName: String?) throws(Shortfall) -> FoundService {
    try functions.service(named: name, over: protocolName)
  }

  func service(at port: UInt16, over protocolName: String?) throws(Shortfall) -> FoundService {
    try functions.service(at: port, over: protocolName)
  }
}
