import NSPProvider
import QuerySets
import Testing

/// What sessions publish at e-mail addresses, and for whom it counts.
@Suite struct PublicationsTests {
  private let publications = Publications()
  private let first = session(1001)
  private let second = session(1002)
  private let root = session(0)

  private static func session(_ user: UInt32) -> EmailSession {
    EmailSession(Client(processID: 1, userID: user, groupID: user, isOperator: user == 0))
  }

  private static func address(_ last: UInt8) throws -> ServiceAddress {
    ServiceAddress(
      local: SocketAddress(bytes: []), remote: try #require(SocketAddress(host: [192, 0, 2, last], port: 5060)), socketType: 1,
      protocolNumber: 6)
  }

  private func change(
    _ session: EmailSession, _ operation: Registration.Operation, _ hosts: [UInt8], _ service: String = "",
    isMultiple: Bool = false,
    isPermitted: Bool = false
  ) throws -> WinsockError {
    let set = QuerySet(
      serviceInstanceName: "A@example.org", nameSpace: .email, context: service, addresses: try hosts.map(Self.address))
    return publications.change(
      try #require(EmailAddress("a@example.org")), try #require(Service(service)),
      Registration(set, operation, isMultiple: isMultiple, isPermitted: isPermitted), by: session)
  }

  private func found(_ session: EmailSession?, _ service: String = "") throws -> [UInt8]? {
    publications.records(try #require(EmailAddress("a@EXAMPLE.org")), try #require(Service(service)), for: session?.client)
      .map { records in records.flatMap { $0.addresses.compactMap { $0.remote.host?.last } } }
  }

  @Test("what a user publishes counts for that user; what is permitted, or an operator's, for everybody")
  func audience() throws {
    #expect(try change(first, .register, [1]) == .success)
    #expect(try found(first) == [1] && found(second) == nil && found(nil) == [1])
    #expect(try change(second, .register, [2], isPermitted: true) == .success)
    #expect(try found(first) == [1, 2] && found(root) == [2])
    // From now on the address is the second one's.
    #expect(try change(first, .register, [3], "sip") == .accessDenied)
    #expect(try change(first, .register, [4]) == .accessDenied)
    // What it has published for itself it may still take back.
    #expect(try change(first, .delete, []) == .success && found(first) == [2])
  }

  @Test("the table of registrations: replaced, added to, taken from, taken back")
  func table() throws {
    #expect(try change(first, .deregister, []) == .serviceNotFound && change(first, .delete, []) == .serviceNotFound)
    #expect(try change(first, .register, [1, 1, 2]) == .success && found(first) == [1, 2])
    #expect(try change(first, .register, [2, 3], isMultiple: true) == .success && found(first) == [1, 2, 3])
    #expect(try change(first, .register, [4]) == .success && found(first) == [4])
    #expect(try change(first, .deregister, [9], isMultiple: true) == .success && found(first) == [4])
    #expect(try change(first, .deregister, [4], isMultiple: true) == .success)
    // It is there, and nobody is reached by it.
    #expect(try found(first) == [])
    #expect(try change(first, .register, [5]) == .success && found(first) == [5])
    #expect(try change(first, .delete, [5], isMultiple: true) == .success && found(first) == nil)
  }

  @Test("services of one address are apart from each other; asked for nothing in particular, all of them")
  func services() throws {
    _ = try (change(first, .register, [1], "sip"), change(first, .register, [2], "xmpp"))
    #expect(
      try found(first, "SIP") == [1] && found(first, "xmpp") == [2] && found(first) == [1, 2] && found(first, "imap") == [])
    #expect(publications.preferredNames(of: 1001, .any) == ["a@example.org"])
  }

  @Test("an operator takes back what others published; everything goes with its session")
  func ends() throws {
    _ = try (change(first, .register, [1]), change(second, .register, [2]))
    #expect(try change(root, .delete, []) == .success && found(nil) == nil)
    _ = try (change(first, .register, [1]), change(second, .register, [2]))
    #expect(publications.registrations(of: nil, at: nil).count == 2 && publications.registrations(of: 1002, at: nil).count == 1)
    #expect(publications.end(first) == ["a@example.org"] && publications.end(first).isEmpty)
    #expect(try found(nil) == [2] && publications.registrations(of: nil, at: nil).count == 1)
  }

  @Test("a session has so many publications")
  func limits() throws {
    for number in 0..<1000 { #expect(try change(first, .register, [1], "s\(number)") == .success) }
    #expect(try change(first, .register, [1], "one-more") == .noBuffers && change(second, .register, [1]) == .success)
  }
}
