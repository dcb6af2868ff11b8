import CProvider
import CWinsock
import Glibc
import NSPProvider
import QuerySets

/// Serves what modules of glibc's name service switch know of hosts and services.
final class NSSBridge: NameSpaceProvider {
  private let modules: ModuleChain

  init(_ settings: Settings) throws(WinsockError) {
    let names = try settings.texts("modules") ?? ["myhostname"]
    if names.isEmpty { throw Settings.refuse("modules is empty: name one, such as \"myhostname\"") }
    for name in names {
      guard Self.isName(name) else {
        throw Settings.refuse("\(name), of modules, is no name of a module: write NAME for libnss_NAME.so.2")
      }
      if name == "nsp" { throw Settings.refuse("nsp, of modules, asks this host, and so itself: leave it out") }
    }
    let folder = try settings.text("folder")
    if let folder, !folder.hasPrefix("/") { throw Settings.refuse("\(folder), of folder, is not an absolute path") }
    modules = ModuleChain(names, folder: folder)
  }

  private static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
          UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  func lookup(_ query: Query, for session: (any ProviderSession)?) throws(WinsockError) -> Answer {
    let question = try ModuleQuestion(query)
    return Answer { [modules] () throws(WinsockError) in try Self.records(question, modules) }
  }

  /// Waits for the modules.
  private static func records(_ question: ModuleQuestion, _ modules: ModuleChain) throws(WinsockError) -> [QuerySet] {
    switch question.subject {
    case .host(let name):
      if question.families.isEmpty { throw .noData }
      return records(
        try modules.first(staysHere: SpecialName.contains(name)) { module throws(Shortfall) in
          try module.host(named: name, families: question.families, withAliases: question.wantsAliases)
        }, question)
    case .address(let address):
      return records(
        try modules.first { module throws(Shortfall) in
          try module.host(at: address).limited(to: question.families).inZone(of: address)
        }, question)
    case .service(let name, let protocolName):
      return try records(
        try modules.first { module throws(Shortfall) in try module.service(named: name, over: protocolName) }, question)
    case .port(let port, let protocolName):
      return try records(
        try modules.first { module throws(Shortfall) in try module.service(at: port, over: protocolName) }, question)
    }
  }

  private static func records(_ host: FoundHost, _ question: ModuleQuestion) -> [QuerySet] {
    let addresses = host.addresses.map {
      ServiceAddress(remote: $0)
    }
    return [QuerySet(serviceInstanceName: host.name, nameSpace: .dns, addresses: addresses, blob: host.blob)]
      + (question.wantsAliases ? host.aliases.map(alias) : [])
  }

  private static func records(_ service: FoundService, _ question: ModuleQuestion) throws(WinsockError) -> [QuerySet] {
    guard let transport = Transport(rawValue: service.protocolName) else { throw .noData }
    let address = ServiceAddress(
      local: SocketAddress(bytes: []), remote: SocketAddress(host: [0, 0, 0, 0], port: service.port) ?? SocketAddress(bytes: []),
      socketType: transport.socketType, protocolNumber: transport.protocolNumber)
    return [QuerySet(serviceInstanceName: service.name, nameSpace: .dns, addresses: [address])]
      + (question.wantsAliases ? service.aliases.map(alias) : [])
  }

  private static func alias(_ name: String) -> QuerySet {
    QuerySet(serviceInstanceName: name, nameSpace: .dns, outputFlags: UInt32(RESULT_IS_ALIAS))
  }
}

extension FoundHost {
  /// For how long the answer may be kept; none where the module does not say.
  fileprivate var blob: [UInt8]? {
    // A or AAAA.
    timeToLive.map { DNSBlob(type: addresses.first?.family == AF_INET6 ? 28 : 1, timeToLive: $0).bytes }
  }
}

extension FoundHost {
  /// Modules are asked for an address without its zone, and what they say of it holds there.
  fileprivate func inZone(of asked: SocketAddress) -> FoundHost {
    var host = self
    host.addresses = addresses.map { $0.host == asked.host ? asked : $0 }
    return host
  }
}

/// Names that no server is asked for: this machine's (RFC 6761), and those that only Tor knows (RFC 7686).
private enum SpecialName {
  static func contains(_ name: String) -> Bool {
    var labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    if labels.last?.isEmpty == true { labels.removeLast() }
    return labels.last.map { ["localhost", "onion"].contains(String(decoding: $0, as: UTF8.self).lowercased()) } ?? false
  }
}

/// The protocols that have ports, by the names that services have for them.
private enum Transport: String {
  case tcp, udp, sctp, dccp
  case udpLite = "udplite"

  var protocolNumber: Int32 {
    switch self {
    case .tcp: 6
    case .udp: 17
    case .dccp: 33
    case .sctp: 132
    case .udpLite: 136
    }
  }

  var socketType: Int32 {
    switch self {
    case .tcp, .sctp: 1
    case .udp, .udpLite: 2
    // SOCK_DCCP of Linux.
    case .dccp: 6
    }
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func nsp_provider_create(_ lpProviderId: LPGUID?, _ lpiError: LPINT?) -> LPVOID? {
  ProviderBox.retained(lpProviderId, lpiError) { settings throws(WinsockError) in try NSSBridge(settings) }
}
