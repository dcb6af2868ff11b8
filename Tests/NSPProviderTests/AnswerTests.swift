import CWinsock
import CallManagement
import Dispatch
import Glibc
import Hosting
import NSPProvider
import Providers
import QuerySets
import Sessions
import Synchronization
import Testing

/// Providers in Swift, behind the routines that the host calls. One after the other: they have one provider between them.
@Suite(.serialized) struct AnswerTests {
  @Test("records that are known, or found when asked for, are delivered in order, each once", arguments: ["now", "asked"])
  func order(_ way: String) throws {
    let asked = try AskedHost()
    let client = try asked.open()
    let (names, end) = asked.names(client.session, "20-\(way)")
    #expect(names == (0..<20).map { "20-\(way) \($0)" } && end == .noMore)
    client.hangUpAndWait()
    asked.host.stop()
  }

  @Test("what comes from other threads is delivered, up to the end that the provider says")
  func later() throws {
    let asked = try AskedHost()
    let client = try asked.open()
    for _ in 0..<50 {
      let (names, end) = asked.names(client.session, "5-later")
      #expect(Set(names).count == names.count && names.count <= 4 && (end == .noMore || names.isEmpty))
    }
    client.hangUpAndWait()
    asked.host.stop()
  }

  @Test("a record that has no room is delivered when it has")
  func large() throws {
    let asked = try AskedHost()
    let client = try asked.open()
    #expect(asked.names(client.session, "1-large", flags: [.returnName, .returnBlob]) == (["1-large"], .noMore))
    client.hangUpAndWait()
    asked.host.stop()
  }

  @Test(
    "failures are the client's, wherever they come from",
    arguments: [("0-asked", WinsockError.noData), ("0-fails", .tryAgain), ("0-other", .serviceNotFound)])
  func failures(_ name: String, _ expected: WinsockError) throws {
    let asked = try AskedHost()
    let client = try asked.open()
    #expect(asked.names(client.session, name) == ([], expected))
    client.hangUpAndWait()
    asked.host.stop()
  }

  @Test("whoever wants containers of a provider that has none is told so")
  func containers() throws {
    let asked = try AskedHost()
    let client = try asked.open()
    #expect(asked.names(client.session, "1-now", flags: [.returnName, .containers]) == ([], .noData))
    client.hangUpAndWait()
    asked.host.stop()
  }

  @Test("End cancels what nobody has answered, once, and answers the Next that waits")
  func cancelling() throws {
    let asked = try AskedHost()
    let client = try asked.open()
    let count = 40
    DispatchQueue.concurrentPerform(iterations: count) { number in
      let query = QuerySet(serviceInstanceName: "\(number)-never", providerID: asked.id)
      guard let lookup = try? asked.host.engine.begin(client.session, query, flags: .returnName) else {
        Issue.record("no lookup")
        return
      }
      DispatchQueue.global().asyncAfter(deadline: .now() + .microseconds(number * 50)) { lookup.end() }
      #expect(throws: (any Error).self) { try lookup.next() }
    }
    let end = ContinuousClock.now + .seconds(5)
    while AskedProvider.shared.books.cancelled < count, ContinuousClock.now < end { usleep(1000) }
    #expect(AskedProvider.shared.books.cancelled == count)
    client.hangUpAndWait()
    asked.host.stop()
  }

  @Test("End in the middle of delivery, again and again, on many threads")
  func storm() throws {
    let asked = try AskedHost()
    let clients = try (1...4).map { try asked.open(Int32($0)) }
    DispatchQueue.concurrentPerform(iterations: 4) { number in
      for round in 0..<150 {
        let query = QuerySet(serviceInstanceName: "8-later", providerID: asked.id)
        guard let lookup = try? asked.host.engine.begin(clients[number].session, query, flags: .returnName) else { continue }
        if round % 3 != 0 { _ = try? lookup.next() }
        if round % 2 == 0 { DispatchQueue.global().async { lookup.end() } }
        _ = try? lookup.next()
        lookup.end()
      }
    }
    for client in clients { client.hangUpAndWait() }
    asked.host.stop()
  }

  @Test("a startup is told whom the session is for, and each is ended once")
  func sessions() throws {
    let asked = try AskedHost()
    let clients = try [asked.open(11, user: 0), asked.open(12, user: 1234), asked.open(13, user: 1234)]
    for client in clients { #expect(asked.names(client.session, "1-now").0.count == 1) }
    clients[0].hangUpAndWait()
    clients[1].hangUpAndWait()
    clients[2].hangUpAndWait(.lost)
    asked.host.stop()
    let books = AskedProvider.shared.books
    #expect(books.startups == 3 && books.cleanups == 2 && books.rundowns == 1)
    #expect(books.clients.map(\.processID) == [11, 12, 13] && books.clients.map(\.userID) == [0, 1234, 1234])
    #expect(books.clients.map(\.isOperator) == [true, false, false] && books.clients.map(\.groupID) == [7, 7, 7])
  }

  @Test("a registration is completed once, late or not, and one that is let go of has failed")
  func completions() throws {
    let asked = try AskedHost()
    let client = try asked.open()
    func set(_ name: String, flags: UInt32 = 0) throws -> WinsockError? {
      try asked.host.engine.setService(
        client.session, QuerySet(serviceInstanceName: name, providerID: asked.id), operation: .register, flags: flags
      ).first?.failure
    }
    #expect(try set("late") == nil)
    #expect(try set("late", flags: UInt32(SERVICE_MULTIPLE)) == .noBuffers)
    #expect(try set("twice") == nil)
    #expect(try set("dropped") == .systemCallFailure)
    #expect(try set("other") == .accessDenied)
    #expect(try set("late", flags: 0x80) == .operationNotSupported)
    client.hangUpAndWait()
    asked.host.stop()
  }

  @Test("outside a startup there is no client, and of an unknown provider there are no settings")
  func questions() throws {
    var client = NSP_CLIENT()
    #expect(NSPHostCurrentClient(nil) == WSAEINVAL && NSPHostCurrentClient(&client) == WSAEINVAL)
    client.cbSize = DWORD(MemoryLayout<NSP_CLIENT>.size)
    #expect(NSPHostCurrentClient(&client) == WSANO_DATA)
    var (id, size) = (GUID(), DWORD(0))
    #expect(NSPHostSetting(nil, "x", nil, &size) == WSAEINVAL && NSPHostSetting(&id, "x", nil, &size) == WSAEINVAL)
  }
}
