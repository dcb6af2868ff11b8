import CWinsock
import GRDB
import NSPProvider
import QuerySets
import RandomSequences
import Rundown
import Testing

/// Registrations by several users, against a model that is a list: whoever asks finds the same in both.
@Suite struct DirectoryModelTests {
  private static let limits = DirectoryLimits(instancesOfUser: 1000, blobBytes: 64 << 10, bytesOfUser: 64 << 20)
  private static let clients = [1001, 1002, 0].map { Client(processID: 1, userID: $0, groupID: $0, isOperator: $0 == 0) }

  /// One instance as the model has it.
  private struct Kept {
    var owner: UInt32
    var isTrusted: Bool
    var isRegistered = true
    var addresses: [ServiceAddress]
  }

  /// nsp.md §5.7, and who may do it: written down once more, over a list instead of tables and indexes.
  private struct Model {
    /// By name in lower case.
    var kept: [String: [Kept]] = [:]

    mutating func change(_ name: String, _ registration: Registration, by client: Client) -> WinsockError? {
      var there = kept[name] ?? []
      defer { kept[name] = there.isEmpty ? nil : there }
      let (isMultiple, addresses) = (registration.isMultiple, registration.set.addresses)
      let counts = client.isOperator || registration.isPermitted
      if registration.operation == .register {
        guard let index = there.firstIndex(where: \.isTrusted) ?? there.firstIndex(where: { $0.owner == client.userID }) else {
          if counts { there = [] }
          there.append(Kept(owner: client.userID, isTrusted: counts, addresses: addresses))
          return nil
        }
        guard client.isOperator || there[index].owner == client.userID else { return .accessDenied }
        var new = Kept(owner: client.userID, isTrusted: counts, addresses: addresses)
        if isMultiple {
          new = there[index]
          new.isTrusted = counts && (new.isTrusted || new.owner == client.userID)
          new.addresses += addresses.filter { !new.addresses.contains($0) }
          new.isRegistered = true
        }
        there[index] = new
        if new.isTrusted { there = [new] }
        return nil
      }
      var meant: [Int]
      if let own = there.firstIndex(where: { !$0.isTrusted && $0.owner == client.userID }) {
        meant = [own]
      } else if let common = there.firstIndex(where: \.isTrusted) {
        guard client.isOperator || there[common].owner == client.userID else { return .accessDenied }
        meant = [common]
      } else {
        meant = client.isOperator ? Array(there.indices) : []
      }
      if meant.isEmpty { return .serviceNotFound }
      for index in meant.reversed() {
        there[index].addresses.removeAll { !isMultiple || addresses.contains($0) }
        if !there[index].addresses.isEmpty { continue }
        there[index].isRegistered = false
        if registration.operation == .delete { there.remove(at: index) }
      }
      return nil
    }

    func found(_ name: String, by client: Client) -> [[ServiceAddress]] {
      (kept[name] ?? []).filter { $0.isRegistered && ($0.isTrusted || $0.owner == client.userID) }.map(\.addresses)
    }
  }

  private static func set(_ name: String, _ hosts: [UInt8]) throws -> QuerySet {
    QuerySet(
      serviceInstanceName: name, nameSpace: .dns,
      addresses: try hosts.map { host in
        ServiceAddress(
          local: SocketAddress(bytes: []), remote: try #require(SocketAddress(host: [192, 0, 2, host], port: 7)), socketType: 1,
          protocolNumber: 6)
      })
  }

  private func found(_ name: String, by client: Client, _ database: DirectoryDatabase) throws -> [[ServiceAddress]] {
    var search = try InstanceSearch(
      Query(QuerySet(serviceInstanceName: name, nameSpace: .dns), flags: [.returnName, .returnAddress]), Audience(of: client))
    var records: [QuerySet] = []
    while !search.isOver {
      records += try database.read { try search.next($0, Moment(now: 1_000, run: database.runs.mine, ended: [])) }
    }
    return records.map(\.addresses)
  }

  @Test("500 random registrations and what takes them back: whoever asks finds what the model has", arguments: 0..<4)
  func sequences(_ round: UInt64) throws {
    let seed = UInt64.random(in: .min ... .max)
    var chance = SplitMix(state: seed &+ round)
    let database = try DirectoryDatabase(directory: nil)
    var model = Model()
    for step in 0..<500 {
      let name = ["one", "Two", "THREE"].randomElement(using: &chance)!
      let hosts = (1...3).filter { _ in Bool.random(using: &chance) }.map { UInt8($0) }
      let client = Self.clients.randomElement(using: &chance)!
      let operations: [Registration.Operation] = [.register, .register, .deregister, .delete]
      let registration = Registration(
        try Self.set(name, hosts), operations.randomElement(using: &chance)!, isMultiple: .random(using: &chance),
        isPermitted: Int.random(in: 0..<4, using: &chance) == 0)
      let expected = model.change(name.lowercased(), registration, by: client)
      var answer: WinsockError?
      do throws(WinsockError) {
        let change = try Change(registration, by: client, session: (database.runs.mine, 1), Self.limits)
        try database.write { try change.perform($0, at: 1_000) }
      } catch { answer = error }
      let said = "seed \(seed), step \(step): \(registration.operation) of \(name) by \(client.userID)"
      try #require(answer == expected, "\(said)")
      for asker in Self.clients {
        let (has, wanted) = (try found(name.uppercased(), by: asker, database), model.found(name.lowercased(), by: asker))
        try #require(has.count == wanted.count && wanted.allSatisfy(has.contains), "\(said), asked by \(asker.userID)")
      }
    }
  }

  @Test("what has expired is not found, and makes room for another user's")
  func expiry() throws {
    let database = try DirectoryDatabase(directory: nil)
    let (first, second) = (Self.clients[0], Self.clients[1])
    var set = try Self.set("short", [1])
    set.queryString = "expires=1"
    let change = try Change(
      Registration(set, .register, isMultiple: false, isPermitted: true), by: first, session: (1, 1), Self.limits)
    #expect(change.expires(from: 500) == 1_500 && !change.endsWithSession)
    try database.write { try change.perform($0, at: 0) }
    #expect(try found("short", by: second, database).isEmpty)
    let other = try Change(
      Registration(Self.set("short", [2]), .register, isMultiple: false), by: second, session: (1, 2), Self.limits)
    try database.write { try other.perform($0, at: 2_000) }
    #expect(try found("short", by: second, database).count == 1 && found("short", by: first, database).isEmpty)
  }

  @Test("a user has so many instances, and changes one of them all the same")
  func quota() throws {
    let (database, client) = (try DirectoryDatabase(directory: nil), Self.clients[0])
    func register(_ name: String, _ hosts: [UInt8]) throws(WinsockError) {
      let limits = DirectoryLimits(instancesOfUser: 2, blobBytes: 0, bytesOfUser: 1 << 20)
      let set: QuerySet
      do { set = try Self.set(name, hosts) } catch { throw .invalidArgument }
      let change = try Change(Registration(set, .register, isMultiple: false), by: client, session: (1, 1), limits)
      try database.write { try change.perform($0, at: 0) }
    }
    try register("a", [1])
    try register("b", [1])
    #expect(throws: WinsockError.noBuffers) { try register("c", [1]) }
    try register("a", [1, 2, 3])
    #expect(try found("a", by: client, database).first?.count == 3)
  }
}

extension Audience {
  fileprivate init(of client: Client) { self.init(Query(QuerySet(nameSpace: .dns), flags: []), client) }
}
