import HostDaemon
import Hosting
import QuerySets
import Rundown
import Testing
import Wire

/// What commands ask of a host over its socket.
@Suite struct ControlRequestTests {
  private func append(_ name: String, _ body: String, watches: UInt32 = 0, to frame: inout FrameWriter) {
    AskRequest(nameSize: UInt32(name.utf8.count), watches: watches).write(to: &frame)
    frame.append(Array(name.utf8) + Array(body.utf8))
  }

  private func text(_ payload: [UInt8]) -> String { String(decoding: payload.dropFirst(8), as: UTF8.self) }

  @Test("a question reaches the host with who asks; what it does not know is WSAEOPNOTSUPP, what can't be read WSAEINVAL")
  func asking() throws {
    let served = try ServedHost("scripted-a")
    let client = try RawClient(served)
    let answer = try client.ask(.ask) { append("echo", "{\"pid\":1}", to: &$0) }
    #expect(answer.status == .success && text(answer.payload) == "{\"pid\":1}" && answer.payload[0] == 0)
    #expect(try client.ask(.ask) { append("of-a-later-version", "{}", to: &$0) }.status == .operationNotSupported)
    #expect(try client.ask(.ask).status == .invalidArgument)
    #expect(try client.ask(.ask) { AskRequest(nameSize: 9, watches: 0).write(to: &$0) }.status == .invalidArgument)
    #expect(try client.ask(.ask) { append("echo", "", watches: 2, to: &$0) }.status == .invalidArgument)
    #expect(try client.ask(.ask) { append("echo", "", watches: 1, to: &$0) }.status == .invalidArgument, "nobody says when")
    for _ in 0..<50 {
      let bytes = (0..<Int.random(in: 1...64)).map { _ in UInt8.random(in: 0...255) }
      #expect(try client.ask(.ask) { $0.append(bytes) }.status != .success)
    }
    served.finish()
  }

  @Test("who watches is answered at once, and again when the answer is another; a bell that changes nothing says nothing")
  func watching() throws {
    let served = try ServedHost("scripted-a")
    let watcher = try RawClient(served)
    let request = watcher.post(.ask) { append("sessions", "{}", watches: 1, to: &$0) }
    func next() throws -> RawClient.Answer {
      let answer = try #require(watcher.receive())
      #expect(answer.header.request == request && answer.status == .ioPending)
      return answer
    }
    _ = try next()
    #expect(try watcher.ask(.ask) { append("sessions", "{}", watches: 1, to: &$0) }.status == .alreadyInProgress)
    let computed = served.counter.value
    ChangeBell.sessions.ring()
    try served.wait("it was looked at again") { served.counter.value > computed }
    #expect(try watcher.ask(.enumerate).status == .success, "nothing was said meanwhile")
    // A lookup of its own is something that it has open.
    let begun = watcher.post(.begin) { frame in
      frame.append(LookupFlags.returnAll.rawValue)
      frame.append(UInt32(0))
      RawClient.append("records-1", to: &frame)
    }
    let both = try [#require(watcher.receive()), #require(watcher.receive())]
    #expect(Set(both.map(\.header.request)) == [begun, request])
    served.finish()
  }

  @Test("a watcher that goes leaves nobody who looks")
  func leaving() throws {
    let served = try ServedHost("scripted-a")
    do {
      let watcher = try RawClient(served)
      watcher.post(.ask) { append("sessions", "{}", watches: 1, to: &$0) }
      _ = try #require(watcher.receive())
    }
    try served.wait("it has gone") { served.server.connectionCount == 0 }
    let last = served.counter.value
    let client = try RawClient(served)
    for _ in 0..<3 { #expect(try client.lookup("records-1").count == 1) }
    #expect(served.counter.value == last)
    served.finish()
  }

  @Test("what is watched counts as a request of the user's until its connection has ended")
  func counted() throws {
    var limits = HostLimits()
    (limits.unlimitedUsers, limits.requestsPerUser) = ([], 3)
    let served = try ServedHost("scripted-a", limits: limits)
    func watch(_ client: RawClient) throws -> WinsockError {
      try client.ask(.ask) { append("sessions", "{}", watches: 1, to: &$0) }.status
    }
    var watchers = try (0..<3).map { _ in try RawClient(served) }
    // One more is taken by the request itself.
    #expect(try watch(watchers[0]) == .ioPending && watch(watchers[1]) == .ioPending)
    #expect(try watch(watchers[2]) == .noBuffers)
    watchers.removeFirst()
    try served.wait("one has gone") { try watch(watchers[1]) == .ioPending }
    watchers = []
    served.finish()
  }

  @Test("a command of before is told that the host is newer")
  func old() throws {
    let served = try ServedHost("scripted-a")
    let client = try RawClient(served)
    let answer = try client.ask(.command) { frame in
      frame.append(UInt64(0))
      frame.append(Array("calls\0".utf8))
    }
    #expect(answer.header.status == 1)
    #expect(String(decoding: answer.payload.dropFirst(8), as: UTF8.self).contains("older than the running host"))
    served.finish()
  }
}
