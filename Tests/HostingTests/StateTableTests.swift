import CWinsock
import Providers
import QuerySets
import Testing

@testable import Hosting
@testable import Sessions

/// The two state machines, event by event.
@Suite struct StateTableTests {
  @Test("a call that completes before it returns goes on where it was made; one that completes later is resumed")
  func callOrders() {
    var inside = CallPhase.running
    if case .nothing = inside.completed(CallOutcome()) {} else { Issue.record("completed inside") }
    if case .proceed = inside.returned() {} else { Issue.record("then returned") }

    var later = CallPhase.running
    if case .wait = later.returned() {} else { Issue.record("returned first") }
    if case .resume = later.completed(CallOutcome()) {} else { Issue.record("then completed") }
  }

  @Test("an abandoned call is released once, by the later one of return and completion")
  func abandonedCalls() {
    var first = CallPhase.running
    let result1 = first.abandon()
    #expect(result1)
    let result2 = first.abandon()
    #expect(!result2)
    if case .nothing = first.completed(CallOutcome()) {} else { Issue.record("completed on the stack") }
    if case .releaseAbandoned = first.returned() {} else { Issue.record("then returned") }

    var second = CallPhase.running
    if case .wait = second.returned() {} else { Issue.record("returned") }
    let result3 = second.abandon()
    #expect(result3)
    var third = second
    if case .release = second.completed(CallOutcome()) {} else { Issue.record("completed late") }
    let result4 = second.abandon()
    #expect(!result4)

    let isForsaken = third.forsake()
    let isForsakenTwice = third.forsake()
    #expect(isForsaken && !isForsakenTwice)
    if case .letGo = third.completed(CallOutcome()) {} else { Issue.record("completed after its session has ended") }
  }

  @Test("a session is started once, and ended by the first ending")
  func sessions() {
    var life = Lifecycle()
    guard case .callStartup = life.use() else {
      Issue.record("the first user starts")
      return
    }
    if case .wait = life.use() {} else { Issue.record("the second waits") }
    let argument = SessionArgument(UnsafeMutableRawPointer(bitPattern: -1))
    let (waiting, end) = life.started(.success(argument))
    #expect(waiting.count == 1 && end == .nothing)
    let result5 = life.end(.abrupt)
    #expect(result5 == .drain(.abrupt))
    let result6 = life.end(.graceful)
    #expect(result6 == .nothing)
    if case .refuse(.cancelled) = life.use() {} else { Issue.record("no use while draining") }
    let result7 = life.finish()
    #expect(result7 == argument)
    let result8 = life.finish()
    #expect(result8 == nil)
  }

  @Test("a client that leaves during the startup is answered when the startup has returned")
  func leavesDuringStartup() {
    for succeeds in [true, false] {
      var life = Lifecycle()
      _ = life.use()
      let result9 = life.end(.abrupt)
      #expect(result9 == .nothing)
      let (_, end) = life.started(succeeds ? .success(.none) : .failure(.accessDenied))
      #expect(end == (succeeds ? .drain(.abrupt) : .neverBegan))
    }
    var unused = Lifecycle()
    let result10 = unused.end(.graceful)
    #expect(result10 == .neverBegan)
  }
}
