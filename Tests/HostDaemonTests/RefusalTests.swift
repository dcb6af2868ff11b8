import Hosting
import Rundown
import Testing
import Wire

@testable import HostDaemon

@Suite(.serialized) struct RefusalTests {
  private final class Lines: Sendable {
    let lines = Locked<[String]>([])
    func about(_ user: UInt32) -> [String] { lines.withLock { $0 }.filter { $0.contains("user \(user) ") } }
  }

  @Test("the first refusal of a user is said at once, those of the period after it in one line, then it is quiet")
  func lines() async throws {
    let said = Lines()
    HostLog.open(.warning) { entry in said.lines.withLock { $0.append("\(entry.level): \(entry.text)") } }
    var limits = HostLimits()
    (limits.connectionsPerUser, limits.requestsPerUser) = (7, 9)
    let refusals = Refusals(limits, period: .milliseconds(300))
    let met = refusals.met(.connectionsPerUser, by: 41)
    #expect(met == MetLimit(.connectionsPerUser, of: 41, maximum: 7))
    for _ in 0..<5 { refusals.met(.connectionsPerUser, by: 41) }
    for _ in 0..<3 { refusals.met(.requestsPerUser, by: 41) }
    #expect(said.about(41) == ["warning: user 41 is refused: limits.connections-per-user = 7 of user 41 is met"])
    refusals.met(.connections, by: 42)
    #expect(said.about(42) == ["warning: user 42 is refused: limits.connections = 65536 of all users together is met"])
    let end = ContinuousClock.now + .seconds(20)
    while said.about(41).count < 2, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
    #expect(
      said.about(41).last?.hasPrefix("warning: user 41 was refused 8 more times in ") == true
        && said.about(41).last?.hasSuffix(": limits.connections-per-user = 7 (5), limits.requests-per-user = 9 (3)") == true)
    // Two periods without one: the next refusal is a first one.
    try await Task.sleep(for: .milliseconds(900))
    #expect(said.about(41).count == 2)
    while said.about(41).count < 3, ContinuousClock.now < end {
      refusals.met(.requestsPerUser, by: 41)
      try await Task.sleep(for: .milliseconds(100))
    }
    #expect(said.about(41).count >= 3)
    #expect(refusals.rows.first { $0.limit == "limits.connections-per-user" && $0.user == 41 }?.count == 6)
    #expect(refusals.rows.first { $0.limit == "limits.connections" && $0.user == 42 }?.count == 1)
  }

  @Test("what an answer says of a limit is read as it was written; an answer that says nothing of one is none")
  func onTheWire() {
    for limit in HostLimit.allCases {
      for user in [UInt32(7), nil] {
        var answer = FrameWriter(1, request: 1)
        let met = MetLimit(limit, of: user, maximum: 1 << 33)
        met.append(to: &answer)
        let bytes = answer.finish()
        #expect(bytes[FrameHeader.size...].withUnsafeBytes { MetLimit($0) } == met)
      }
    }
    #expect([UInt8](repeating: 0, count: 24).withUnsafeBytes { MetLimit($0) } == nil)
    #expect([UInt8]().withUnsafeBytes { MetLimit($0) } == nil)
  }
}
