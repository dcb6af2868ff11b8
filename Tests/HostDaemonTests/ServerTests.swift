import Foundation
import Glibc
import HostDaemon
import Providers
import QuerySets
import Sessions
import Synchronization
import Testing
import Wire

@Suite struct ServerTests {
  @Test("a lookup in steps and in one request, over a socket")
  func lookups() throws {
    let served = try ServedHost("scripted-a", "scripted-b")
    let client = try RawClient(served)
    let handle = try #require(try client.begin("records-2").handle)
    for _ in 0..<4 {
      let answer = try client.next(handle)
      #expect(answer.status == .success)
      var record = answer.payload
      #expect(record.withUnsafeMutableBytes { SelfRelative.resolve($0) })
    }
    #expect(try client.next(handle).status == .noMore && client.next(handle).status == .noMore)
    #expect(try client.end(handle).status == .success && client.end(handle).status == .invalidHandle)
    #expect(try client.lookup("records-3") == (6, .noMore))
    #expect(try client.lookup("records-3", maximum: 2) == (2, .noMore))
    #expect(try client.lookup("begin-fail-11004").status == .noData)
    served.finish()
  }

  @Test("NSP-044 connections of one process share its session; the last one that closes ends it, and a goodbye is remembered")
  func sharing() throws {
    let served = try ServedHost("scripted-a")
    var clients = try (0..<4).map { _ in try RawClient(served) }
    #expect(served.host.sessions.sessions.count == 1 && served.host.calls.calls.count == 4)
    let handle = try #require(try clients[0].begin("records-1").handle)
    #expect(try clients[1].next(handle).status == .success, "a handle is good on each of them")
    #expect(try clients[0].ask(.goodbye).status == .success)
    try served.wait("one call ends") { served.host.calls.calls.count == 3 }
    #expect(served.host.sessions.sessions.count == 1)
    clients.removeAll()
    try served.wait("the session ends") { served.host.sessions.sessions.isEmpty }
    let figures = try #require(served.host.ledger.first?.figures)
    #expect(figures.startups == 1 && figures.cleanups == 1 && figures.rundowns == 0)
    served.finish()
  }

  @Test("a client that is gone without a word is run down")
  func lost() throws {
    let served = try ServedHost("scripted-a")
    do {
      let client = try RawClient(served)
      #expect(try client.lookup("records-1").count == 1)
    }
    try served.wait("the session ends") { served.host.ledger.first?.figures.rundowns == 1 }
    served.finish()
  }

  @Test("requests may follow the hello at once: they wait for it")
  func eagerRequests() throws {
    let served = try ServedHost("scripted-a")
    for _ in 0..<200 {
      let client = try RawClient(served, hello: false)
      client.send(client.helloFrame() + client.frame(.enumerate) + client.frame(.enumerate))
      let answers = try (0..<3).map { _ in try #require(client.receive()) }
      #expect(answers.allSatisfy { $0.status == .success } && answers[0].header.kind == RequestKind.hello.answer)
    }
    served.finish()
  }

  @Test("a goodbye counts, also behind requests that take their time, and however soon the socket is closed after it")
  func goodbyeBeforeTheEnd() throws {
    let served = try ServedHost("scripted-a")
    for number in 1...100 {
      let client = try RawClient(served)
      for _ in 0..<number {
        client.post(.lookup) { frame in
          frame.append(LookupFlags.returnAll.rawValue)
          frame.append(UInt32(0))
          RawClient.append("records-3", to: &frame)
        }
      }
      client.post(.goodbye)
      shutdown(client.descriptor, Int32(SHUT_WR))
      try served.wait("the session ends") { served.host.sessions.sessions.isEmpty }
    }
    let figures = try #require(served.host.ledger.first?.figures)
    #expect(figures.rundowns == 0 && figures.cleanups == figures.startups, "\(figures)")
    served.finish()
  }

  @Test("before the hello nothing is answered; another version, another protocol, a client that may not: each is told or closed")
  func hellos() throws {
    let served = try ServedHost("scripted-a")
    let early = try RawClient(served, hello: false)
    #expect(try early.begin("records-1").status == .notInitialised)
    #expect(try early.hello(major: 9).status == .versionNotSupported)
    #expect(early.receive() == nil)
    let stranger = try RawClient(served, hello: false)
    stranger.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
    #expect(stranger.receive() == nil)
    let wrong = try RawClient(served, hello: false)
    wrong.post(.hello) { $0.append(UInt32(7)) }
    #expect(wrong.receive() == nil)
    let twice = try RawClient(served)
    twice.post(.hello) { $0.append(WireVersion.magic) }
    #expect(twice.receive() == nil)
    served.finish()

    let closed = try ServedHost("scripted-a", admits: { _ in false })
    let refused = try RawClient(closed, hello: false)
    #expect(try refused.hello().status == .accessDenied)
    #expect(refused.receive() == nil)
    #expect(closed.host.sessions.sessions.isEmpty)
    closed.finish()
  }

  @Test("requests that follow each other without waiting are all answered; one that waits does not hold up the others")
  func pipelining() throws {
    let served = try ServedHost("scripted-a")
    let client = try RawClient(served)
    let waiting = try #require(try client.begin("late").handle)
    let slow = client.post(.next) { frame in
      frame.append(waiting)
      frame.append(UInt32(0))
    }
    var expected: Set<UInt32> = []
    for _ in 0..<50 { expected.insert(client.post(.enumerate)) }
    var answered: Set<UInt32> = []
    for _ in 0..<50 { answered.insert(try #require(client.receive()).header.request) }
    #expect(answered == expected)
    // Its end makes the one that waits answer at once.
    let end = client.post(.end) { $0.append(waiting) }
    let last = try [#require(client.receive()), #require(client.receive())]
    #expect(last.first { $0.header.request == slow }?.status == .cancelled)
    #expect(last.first { $0.header.request == end }?.status == .success)
    typealias Release = @convention(c) () -> Int32
    let file = try #require(dlopen(served.directory + "/scripted-a.so", RTLD_NOW | RTLD_NOLOAD))
    #expect(unsafeBitCast(dlsym(file, "scripted_release"), to: Release.self)() == 0)
    dlclose(file)
    served.finish()
  }

  @Test(
    "the hello says what one name is worth; whether somebody is there is answered at once; the host resolves nothing for itself")
  func resolving() throws {
    var limits = HostLimits()
    limits.resolveBudget = 1234
    let served = try ServedHost("scripted-a", limits: limits)
    let client = try RawClient(served, hello: false)
    let hello = try client.hello()
    #expect(
      hello.payload.count == 20 && hello.payload.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 16, as: UInt32.self) } == 1234
    )
    #expect(try client.ask(.nothing).status == .success)
    func resolve(_ question: UInt32, _ text: [UInt8], size: UInt32? = nil) throws -> WinsockError {
      try client.ask(.resolve) { frame in
        frame.append(question)
        frame.append(UInt32(0))
        frame.append(size ?? UInt32(text.count))
        frame.append(UInt32(0))
        frame.append(text)
      }.status
    }
    #expect(try resolve(1, Array("records-1".utf8)) == .operationNotSupported)
    #expect(try resolve(9, Array("x".utf8)) == .invalidArgument && resolve(1, [0x78, 0]) == .invalidArgument)
    #expect(try resolve(1, [0xFF]) == .invalidArgument && resolve(1, [0x78], size: 2) == .invalidArgument)
    #expect(try resolve(1, [0x78], size: .max) == .invalidArgument && client.ask(.resolve).status == .invalidArgument)
    served.finish()
  }

  @Test("connections that only resolve names share a session of their user's, and may do nothing else")
  func resolvers() throws {
    let served = try ServedHost("scripted-a")
    let clients = try (0..<5).map { _ in try RawClient(served, hello: false) }
    for client in clients { #expect(try client.hello(session: WireVersion.noSession).status == .success) }
    #expect(served.host.sessions.sessions.count == 1)
    #expect(try clients[0].begin("records-1").status == .notInitialised)
    #expect(try clients[0].ask(.enumerate).status == .notInitialised && clients[0].ask(.nothing).status == .success)
    #expect(try clients[0].ask(.goodbye).status == .success && clients[0].receive() == nil)
    clients[1].post(.hello) { $0.append(WireVersion.magic) }
    #expect(clients[1].receive() == nil)
    // Somebody ends the session: the next one is another.
    let ended = try #require(served.host.sessions.sessions.first)
    for call in served.host.calls.calls { _ = served.host.closeCall(call.number, .kicked) }
    try served.wait("the session to end") { !ended.isOpen }
    let late = try RawClient(served, hello: false)
    #expect(try late.hello(session: WireVersion.noSession).status == .success)
    #expect(served.host.sessions.sessions.first { $0.isOpen } !== ended)
    served.finish()

    let closed = try ServedHost("scripted-a", admits: { _ in false })
    let refused = try RawClient(closed, hello: false)
    #expect(try refused.hello(session: WireVersion.noSession).status == .accessDenied && refused.receive() == nil)
    closed.finish()
  }

  @Test("handles that were never given, or that are another kind's, are WSA_INVALID_HANDLE, in every request that takes one")
  func stolenHandles() throws {
    let served = try ServedHost("scripted-a")
    let client = try RawClient(served)
    let handle = try #require(try client.begin("records-1").handle)
    for guess in [0, 1, handle &+ 1, handle ^ 1 << 32, handle ^ 1 << 24, .max] {
      #expect(try client.next(guess).status == .invalidHandle && client.end(guess).status == .invalidHandle)
    }
    // Another process's session has handles of its own: what this one holds names nothing there.
    let other = try served.host.open(ClientIdentity(processID: 9, userID: 9, groupID: 9, command: "other"))
    let theirs = try served.host.engine.begin(
      other.session, QuerySet(serviceInstanceName: "records-1", nameSpace: .dns), flags: .returnAll)
    _ = try client.end(handle)
    #expect(try client.next(try #require(theirs.handle).rawValue).status == .invalidHandle)
    other.hangUpAndWait()
    served.finish()
  }

  @Test("malformed payloads are WSAEINVAL and unknown kinds WSAEOPNOTSUPP; the connection goes on")
  func malformed() throws {
    let served = try ServedHost("scripted-a")
    let client = try RawClient(served)
    for kind in RequestKind.allCases where ![.hello, .goodbye, .enumerate, .nothing].contains(kind) {
      let empty = try client.ask(kind)
      #expect(empty.status == .invalidArgument || empty.status == .operationNotSupported, "\(kind)")
    }
    for kind in [RequestKind.begin, .lookup, .setService] {
      let answer = try client.ask(kind) { $0.append([UInt8](repeating: 0xFF, count: 200)) }
      #expect(answer.status == .invalidArgument, "\(kind)")
    }
    var frame = FrameWriter(4711, request: 99)
    client.send(frame.finish())
    #expect(client.receive()?.status == .operationNotSupported)
    #expect(try client.lookup("records-1").count == 1)
    served.finish()
  }

  @Test("a frame that is too long, or shorter than its header, ends the connection")
  func lengths() throws {
    var limits = HostLimits()
    limits.maximumFrame = 4096
    let served = try ServedHost("scripted-a", limits: limits)
    for length in [UInt32(0), 15, 4097, .max] {
      let client = try RawClient(served)
      client.send([UInt8](withUnsafeBytes(of: length) { Array($0) }) + [UInt8](repeating: 0, count: 12))
      #expect(client.receive() == nil, "\(length)")
    }
    try served.wait("they are gone") { served.server.connectionCount == 0 }
    let client = try RawClient(served)
    #expect(try client.lookup("records-90").status == .noBuffers, "an answer that is too long is said to be")
    served.finish()
  }

  @Test("a client that does not read is closed when too much waits for it; nobody else is held up")
  func slowReader() throws {
    var limits = HostLimits()
    limits.bytesQueued = 64 << 10
    let served = try ServedHost("scripted-a", limits: limits)
    let lazy = try RawClient(served)
    for _ in 0..<2_000 {
      lazy.post(.lookup) { frame in
        frame.append(LookupFlags.returnAll.rawValue)
        frame.append(UInt32(0))
        RawClient.append("records-20", to: &frame)
      }
    }
    let other = try RawClient(served)
    #expect(try other.lookup("records-1").count == 1)
    try served.wait("it is closed") { served.server.connectionCount == 1 }
    served.finish()
  }

  @Test("a provider that never answers keeps its own clients only: 40 of them wait, and another is served")
  func heldUp() throws {
    let served = try ServedHost("scripted-a")
    let stuck = try (0..<40).map { _ in try RawClient(served) }
    for client in stuck {
      let handle = try #require(try client.begin("late").handle)
      client.post(.next) { frame in
        frame.append(handle)
        frame.append(UInt32(0))
      }
    }
    let client = try RawClient(served)
    for _ in 0..<20 { #expect(try client.lookup("records-1").count > 0) }
    // Calls that never complete: the host gives them up when it stops.
    served.server.stop(deadline: .milliseconds(100))
    served.host.stop()
  }

  @Test("what a user has is counted over all of its connections; one more is told or turned away, and what ends is given back")
  func userQuotas() throws {
    var limits = HostLimits()
    (limits.unlimitedUsers, limits.requestsPerUser, limits.connectionsPerUser) = ([], 2, 4)
    let served = try ServedHost("scripted-a", limits: limits)
    let clients = try (0..<3).map { _ in try RawClient(served) }
    for client in clients[..<2] {
      let handle = try #require(try client.begin("late").handle)
      client.post(.next) { frame in
        frame.append(handle)
        frame.append(UInt32(0))
      }
    }
    try served.wait("the third is refused") { (try? clients[2].begin("late").status) == .noBuffers }
    let fourth = try RawClient(served)
    #expect(try RawClient(served, hello: false).isTurnedAway())
    #expect(try fourth.ask(.goodbye).status == .success)
    try served.wait("there is room for one again") { try !RawClient(served, hello: false).isTurnedAway() }
    served.server.stop(deadline: .milliseconds(100))
    served.host.stop()
  }

  @Test("a user's open lookups, registrations and bytes are counted over its connections, and given back when they end")
  func userTotals() throws {
    var limits = HostLimits()
    (limits.unlimitedUsers, limits.lookupsPerUser, limits.registrationsPerUser, limits.bytesPerUser) = ([], 2, 2, 100_000)
    let served = try ServedHost("scripted-a", limits: limits)
    var clients = try (0..<3).map { _ in try RawClient(served) }
    let handles = try (0..<2).map { try #require(try clients[$0].begin("records-1").handle) }
    #expect(try clients[2].begin("records-1").status == .noBuffers)
    #expect(try clients[0].end(handles[1]).status == .success)
    #expect(try clients[2].begin("begin-fail-11004").status == .noData, "what fails is not counted")
    #expect(try clients[2].begin("records-1").status == .success)

    func register(_ name: String, _ operation: UInt32 = 0) throws -> WinsockError {
      try clients[1].ask(.setService) { frame in
        frame.append(operation)
        frame.append(UInt32(0))
        RawClient.append(name, to: &frame)
      }.status
    }
    #expect(try register("one") == .success && register("two") == .success && register("two") == .success)
    #expect(try register("three") == .noBuffers)
    #expect(try register("one", 1) == .success && register("three") == .success && register("one") == .noBuffers)

    // Most of a frame each, the rest of which never comes.
    var head = [UInt8](withUnsafeBytes(of: UInt32(60_000)) { Array($0) }) + [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    head += [UInt8](repeating: 0, count: 55_000)
    clients[0].send(head)
    clients[1].send(head)
    try served.wait("one of them is closed") { served.server.connectionCount == 2 }
    clients.removeAll()
    try served.wait("all sessions end") { served.host.sessions.sessions.isEmpty }
    let again = try RawClient(served)
    #expect(try again.begin("records-1").status == .success && again.begin("records-1").status == .success)
    served.finish()
  }

  @Test("a user has so many sessions; one more process is told, and one that ends makes room")
  func userSessions() throws {
    var limits = HostLimits()
    (limits.unlimitedUsers, limits.sessionsPerUser) = ([], 1)
    let served = try ServedHost("scripted-a", limits: limits)
    let first = try RawClient(served)
    let second = try RawClient(served)
    #expect(try first.lookup("records-1").count == 1 && second.lookup("records-1").count == 1, "one process, one session")
    let other = Process()
    other.executableURL = URL(filePath: "/usr/bin/perl")
    other.arguments = [
      "-e",
      """
      use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or exit 9; binmode $s;
      print $s pack("VvvVV", 32, 1, 0, 1, 0) . "NSP1" . pack("vvVV", 1, 0, 1 << 20, 0); read $s, my $head, 16; exit(unpack("x12V", $head) == 10055 ? 55 : 1);
      """, served.server.path,
    ]
    try other.run()
    other.waitUntilExit()
    #expect(other.terminationStatus == 55)
    #expect(try first.lookup("records-1").count == 1)
    served.finish()
  }

  @Test("2,000 connections of 8 threads come, ask and go: none is lost, nothing is left")
  func comingAndGoing() throws {
    let served = try ServedHost("scripted-a")
    let failures = Atomic<Int>(0)
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      for number in 0..<250 {
        guard let client = try? RawClient(served), (try? client.lookup("records-1").count) == 1 else {
          failures.add(1, ordering: .relaxed)
          continue
        }
        if number % 2 == 0 { _ = try? client.ask(.goodbye) }
      }
    }
    #expect(failures.load(ordering: .relaxed) == 0)
    try served.wait("all have left") { served.server.connectionCount == 0 && served.host.sessions.sessions.isEmpty }
    let after = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    #expect(after < descriptors + 400, "\(descriptors) descriptors before, \(after) after")
    served.finish()
  }
}
