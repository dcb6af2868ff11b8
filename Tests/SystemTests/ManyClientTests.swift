import Foundation
import Testing

/// Ten thousand programs, one after the other and all at a time: the books balance, and nothing of them is left.
@Suite(.timeLimit(.minutes(10)), .serialized) struct ManyClientTests {
  @Test("10,000 processes that connect, use and die: the books balance, descriptors and memory stay as they are")
  func lives() async throws {
    try await Host.serveSamples { host in
      let client = try await host.client(named: "client")
      let before = try await host.ledger
      try await client.expect(0, of: "lives=1000")
      try await host.settles()
      let some = try ProcessFigures(of: host.processID)
      try await client.expect(0, of: "lives=9000")
      try await host.settles()
      let (many, ledger) = (try ProcessFigures(of: host.processID), try await host.ledger)
      #expect(ledger.startups >= before.startups + 10_000 && ledger.startups == ledger.cleanups + ledger.rundowns, "\(ledger)")
      #expect(many.descriptors <= some.descriptors + 2, "\(some), then \(many)")
      #expect(many.resident <= some.resident * 11 / 10, "\(some), then \(many)")
    }
  }

  @Test("10,000 connected idle clients, one that is served beside them, and all of them killed at once")
  func idle() async throws {
    try await Host.serveSamples { host in
      let client = try await host.client(named: "client")
      let killed = try await client.beside("start", "idle=10000", "ready", "pause") { companion in
        try await companion.prints("ready")
        #expect(try ProcessFigures(of: host.processID).descriptors > 10_000)
        try await client.expect(0, "hello 192.0.2.1", of: "start", "resolve=hello", "cleanup")
        kill(companion.processID, SIGKILL)
      }
      #expect(killed.outcome.status == 128 + SIGKILL, "\(killed.outcome)")
      try await host.settles()
      try await eventually("their descriptors are closed") { try ProcessFigures(of: host.processID).descriptors < 100 }
    }
  }
}
