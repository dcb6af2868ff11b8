import CProvider
import CWinsock
import Glibc
import NSPProvider
import QuerySets

/// Serves names and addresses from files like /etc/hosts: addresses of a name, and names of an address.
final class HostsProvider: NameSpaceProvider {
  private let files: HostsFiles
  /// Nil where the system does not let the files be followed: then the host is not promised to be told.
  private let watch: FileWatch?

  init(_ settings: Settings) throws(WinsockError) {
    let paths = try settings.texts("files") ?? ["/etc/hosts"]
    if let wrong = paths.first(where: { !$0.hasPrefix("/") }) {
      throw Settings.refuse("\(wrong), of files, is not an absolute path")
    }
    files = HostsFiles(paths)
    // A file that can't be read shows before the first query.
    files.withTable { _ in }
    let changes = ProviderChanges(settings)
    watch = FileWatch(paths) { changes.sayEverything() }
    if watch != nil {
      changes.promise()
    } else {
      HostLog.say(.warning, "its files can't be followed: who watches a name asks again every second")
    }
  }

  func lookup(_ query: Query, for session: (any ProviderSession)?) throws(WinsockError) -> Answer {
    let question = try HostsQuestion(query)
    let answer = Answer()
    // What the files have now: where they have to be read first, the answer comes when that is done.
    files.withTable { table in
      do throws(WinsockError) { answer.finish(with: try question.records(table)) } catch { answer.finish(error) }
    }
    return answer
  }
}

/// What is asked of the files.
private struct HostsQuestion: Sendable {
  enum Subject: Sendable {
    case name(String)
    case address(HostAddress)
  }

  let subject: Subject
  let query: Query

  init(_ query: Query) throws(WinsockError) {
    guard let name = query.name, !name.isEmpty else { throw .serviceNotFound }
    self.query = query
    let address = HostAddress(name)
    switch query.serviceClass {
    case .addressesOfName?: subject = .name(name)
    case .nameOfAddress?:
      guard let address else { throw .invalidArgument }
      subject = .address(address)
    case nil, .hostName?: subject = address.map { .address($0) } ?? .name(name)
    default: throw .serviceNotFound
    }
  }

  func records(_ table: HostsTable) throws(WinsockError) -> [QuerySet] {
    let wantsAliases = query.flags.contains(.returnAliases)
    let found: HostsTable.Host?
    let wanted: [HostAddress]
    switch subject {
    case .name(let name):
      found = table.host(named: name, withAliases: wantsAliases)
      wanted = found?.addresses.filter { query.wants(family: $0.family) } ?? []
    case .address(let address):
      found = table.host(at: address)
      // Written as one of IPv6, an address of IPv4 is one of both families.
      let isWanted = [address, address.unmapped].contains { query.wants(family: $0.family) }
      wanted = isWanted ? found?.addresses ?? [] : []
    }
    guard let found else { throw table.unread == nil ? .serviceNotFound : .tryAgain }
    guard !wanted.isEmpty else { throw .noData }
    let addresses = wanted.map { ServiceAddress(remote: $0.socketAddress) }
    let host = QuerySet(serviceInstanceName: found.name, nameSpace: .dns, addresses: addresses)
    guard wantsAliases else { return [host] }
    return [host]
      + found.aliases.map { QuerySet(serviceInstanceName: $0, nameSpace: .dns, outputFlags: UInt32(RESULT_IS_ALIAS)) }
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func nsp_provider_create(_ lpProviderId: LPGUID?, _ lpiError: LPINT?) -> LPVOID? {
  ProviderBox.retained(lpProviderId, lpiError) { settings throws(WinsockError) in try HostsProvider(settings) }
}
