import CWinsock
import NSPProvider
import QuerySets
import Resolver

/// What a registration changes in the zone (RFC 2136).
struct Update: Sendable {
  enum Change: Sendable {
    /// All records of a type go.
    case remove(Resolver.RecordType)
    /// One record goes.
    case removeOne(Resolver.RecordType, [UInt8])
    case add(Resolver.RecordType, [UInt8])
  }

  /// What must hold of the name, or the server changes nothing and says so (RFC 2136, 2.4).
  enum Prerequisite: Equatable, Sendable {
    /// There is no CNAME: beside one a server ignores other records without a word (RFC 2136, 3.4.2.2).
    case noAlias
    /// There are records of a type.
    case has(Resolver.RecordType)
  }

  /// Without the root's dot; in the zone.
  let name: String
  let changes: [Change]
  /// Tried one after the other until one holds. A message has no other way to ask for any of several types.
  let attempts: [[Prerequisite]]
  /// Single records that are to be removed: one of them at least must be there, which no prerequisite can say.
  let removed: [(type: Resolver.RecordType, data: [UInt8])]

  /// - Parameter takesWildcards: `*` may be registered, which answers for every name that has no records of its own.
  init(_ registration: Registration, zone: String, takesWildcards: Bool) throws(WinsockError) {
    name = try Self.name(registration.set.serviceInstanceName, in: zone)
    if name == "*" || name.hasPrefix("*."), !takesWildcards {
      HostLog.say(
        .info, "\(name) is a wildcard, which answers for every other name: set update-wildcards = true to take such names")
      throw .invalidArgument
    }
    let (types, records) = try Self.records(registration.set)
    switch (registration.operation, registration.isMultiple) {
    case (.register, false):
      guard !records.isEmpty else { throw .invalidArgument }
      changes = types.map { .remove($0) } + records.map { .add($0.type, $0.data) }
    case (.register, true):
      guard !records.isEmpty else { throw .invalidArgument }
      changes = records.map { .add($0.type, $0.data) }
    case (.deregister, false), (.delete, false): changes = types.map { .remove($0) }
    case (.deregister, true), (.delete, true):
      guard !records.isEmpty else { throw .invalidArgument }
      changes = records.map { .removeOne($0.type, $0.data) }
    }
    if registration.operation == .register {
      (attempts, removed) = ([[.noAlias]], [])
    } else {
      let single = registration.isMultiple ? records : []
      let concerned = types.filter { type in single.isEmpty || single.contains { $0.type == type } }
      (attempts, removed) = (concerned.map { [.has($0)] }, single)
    }
  }

  /// A name of one label is one of the zone's.
  private static func name(_ name: String?, in zone: String) throws(WinsockError) -> String {
    guard var name, !name.isEmpty, !name.contains("@"), name.utf8.count <= 1024 else { throw .invalidArgument }
    name = try DNSQuestion.asciiName(name)
    let isAbsolute = name.hasSuffix(".")
    if isAbsolute { name.removeLast() }
    // What spells a byte in another way can't be compared as text.
    guard !name.contains("\\") else { throw .invalidArgument }
    let (folded, foldedZone) = (name.lowercased(), zone.lowercased())
    if folded == foldedZone || folded.hasSuffix("." + foldedZone) { return name }
    guard !isAbsolute, !name.contains(".") else {
      HostLog.say(.info, "\(name) is not in the zone \(zone)")
      throw .invalidArgument
    }
    return "\(name).\(zone)"
  }

  /// The types that are concerned, and the records that are given.
  private static func records(
    _ set: QuerySet
  ) throws(WinsockError) -> (types: [Resolver.RecordType], records: [(type: Resolver.RecordType, data: [UInt8])]) {
    let types: [Resolver.RecordType]
    switch set.serviceClassID {
    case nil, .hostName?, .addressesOfName?: types = [.a, .aaaa]
    case let other?:
      guard let type = other.dnsRecordType, [.a, .aaaa, .txt].contains(type) else { throw .operationNotSupported }
      types = [type]
    }
    if types == [.txt] { return (types, try text(set.comment).map { [(.txt, $0)] } ?? []) }
    let records = try set.addresses.map { address throws(WinsockError) in try record(address) }
    guard records.allSatisfy({ types.contains($0.type) }) else { throw .invalidArgument }
    return (types, records)
  }

  private static func record(_ address: ServiceAddress) throws(WinsockError) -> (type: Resolver.RecordType, data: [UInt8]) {
    // Where a service is bound is where it is reached, unless it is bound to every address of its machine.
    let hosts = [address.local, address.remote].compactMap(\.host)
    guard let host = hosts.first(where: { $0.contains { $0 != 0 } }) else { throw .invalidArgument }
    guard address.local.scope == 0, address.remote.scope == 0 else {
      HostLog.say(.info, "\(address.remote) has a zone, which no record of the Domain Name System can keep")
      throw .invalidArgument
    }
    return (host.count == 4 ? .a : .aaaa, Array(host))
  }

  private static let longestText = 4096

  private static func text(_ comment: String?) throws(WinsockError) -> [UInt8]? {
    guard let comment, !comment.isEmpty else { return nil }
    let bytes = Array(comment.utf8)
    guard bytes.count <= longestText else { throw .invalidArgument }
    return stride(from: 0, to: bytes.count, by: 255).flatMap { start in
      let part = bytes[start..<min(start + 255, bytes.count)]
      return [UInt8(part.count)] + part
    }
  }
}
