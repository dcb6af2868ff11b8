import Sessions
import Testing
import Wire

@testable import HostDaemon

@Suite struct ConnectionMachineTests {
  private typealias Machine = ConnectionMachine

  private func machine(mostRequests: Int = 4, isWorker: Bool = false, _ kinds: RequestKind...) -> ConnectionMachine {
    var machine = Machine(mostRequests: mostRequests, isWorker: isWorker)
    for kind in kinds { _ = machine.came(kind) }
    return machine
  }

  /// The oldest request has its turn, and is answered.
  private func serve(_ machine: inout ConnectionMachine, _ kind: RequestKind, _ event: Machine.Event? = nil) {
    let begins = machine.begins(kind)
    #expect(begins, "\(kind)")
    if let event { _ = machine.handle(event) }
    _ = machine.answered()
    if kind == .hello { machine.greeted() }
  }

  private var client: ConnectionMachine {
    var machine = machine(.hello)
    serve(&machine, .hello, .called)
    return machine
  }

  private var resolver: ConnectionMachine {
    var machine = machine(.hello)
    serve(&machine, .hello, .becameResolver)
    return machine
  }

  private func expect(
    _ machine: inout ConnectionMachine, _ event: Machine.Event, _ effects: [Machine.Effect], _ life: Machine.Life
  ) {
    let got = machine.handle(event)
    #expect(got == effects, "\(event)")
    #expect(machine.life == life, "\(event)")
  }

  @Test("what follows a hello waits until the hello is answered")
  func greeting() {
    var machine = machine(.hello, .enumerate)
    let hello = machine.begins(.hello)
    let early = machine.begins(.enumerate)
    _ = machine.handle(.called)
    let accepted = machine.begins(.enumerate)
    _ = machine.answered()
    machine.greeted()
    let answered = machine.begins(.enumerate)
    #expect(hello && !early && !accepted && answered)
    #expect(machine.role == .client)
  }

  @Test("requests are served side by side, and a second hello has others wait as well")
  func turns() {
    var machine = client
    let turns = [machine.begins(.lookup), machine.begins(.lookup), machine.begins(.hello), machine.begins(.lookup)]
    #expect(turns == [true, true, true, false])
  }

  @Test("a sign of life waits for no turn once a hello has come, and a worker gets none")
  func signsOfLife() {
    var stranger = machine()
    let early = stranger.came(.nothing)
    _ = stranger.came(.hello)
    let late = stranger.came(.nothing)
    #expect(early == .waits && late == .isAnsweredAtOnce)
    var leaving = machine(.hello, .goodbye)
    let after = leaving.came(.nothing)
    #expect(after == .isAnsweredAtOnce)
    var worker = machine(isWorker: true, .hello)
    let none = worker.came(.nothing)
    #expect(none == .waits)
  }

  @Test("a client is read until so many requests wait, and again when one of these has been answered; signs of life do not count")
  func pause() {
    var machine = client
    for _ in 0..<3 { _ = machine.came(.lookup) }
    for _ in 0..<10 { _ = machine.came(.nothing) }
    #expect(!machine.isPaused && machine.isRead)
    // More than may wait have come at once.
    for _ in 0..<3 { _ = machine.came(.lookup) }
    #expect(machine.isPaused && !machine.isRead)
    let resumes = (0..<6).map { _ in
      _ = machine.begins(.lookup)
      return machine.answered()
    }
    #expect(resumes == [false, false, true, false, false, false])
    #expect(!machine.isPaused)
  }

  @Test("a goodbye counts from the moment in which it has come, behind whatever requests are still served")
  func goodbye() {
    let cases: [([RequestKind], CloseReason)] = [([], .lost), ([.lookup], .lost), ([.lookup, .goodbye, .lookup], .remote)]
    for (kinds, reason) in cases {
      var machine = client
      for kind in kinds { _ = machine.came(kind) }
      expect(&machine, .vanished, [.drop, .closeCall(reason)], .over)
    }
    var early = machine(.goodbye, .hello)
    serve(&early, .goodbye)
    serve(&early, .hello, .called)
    expect(&early, .vanished, [.drop, .closeCall(.lost)], .over)
  }

  @Test("of several reasons the first one counts, and the connection leaves once, after its call")
  func end() {
    var machine = client
    expect(&machine, .ended(.kicked), [.drop, .closeCall(.kicked)], .over)
    #expect(!machine.isRead)
    expect(&machine, .ended(.overQuota), [], .over)
    expect(&machine, .vanished, [], .over)
    expect(&machine, .callEnded, [.leave], .over)
    expect(&machine, .left, [.depart], .gone)
    for event in [Machine.Event.left, .callEnded, .ended(.lost), .vanished] { expect(&machine, event, [], .gone) }
  }

  @Test("a call that the host closes ends the connection")
  func callEnded() {
    var machine = client
    expect(&machine, .callEnded, [.leave], .over)
    expect(&machine, .ended(.lost), [], .over)
    expect(&machine, .left, [.depart], .gone)
  }

  @Test("a connection without a call leaves at once")
  func withoutCall() {
    var stranger = machine()
    expect(&stranger, .ended(.overQuota), [.drop, .leave], .over)
    expect(&stranger, .left, [.depart], .gone)
    var resolver = resolver
    expect(&resolver, .vanished, [.drop, .leave], .over)
    expect(&resolver, .left, [.leaveResolvers, .depart], .gone)
  }

  @Test("a hello that is accepted after the end is taken back")
  func lateHello() {
    for isGone in [false, true] {
      var machine = machine(.hello)
      _ = machine.begins(.hello)
      _ = machine.handle(.vanished)
      if isGone { _ = machine.handle(.left) }
      expect(&machine, .called, [.closeCall(.lost)], isGone ? .gone : .over)
    }
    var gone = machine(.hello)
    _ = gone.begins(.hello)
    _ = gone.handle(.vanished)
    var over = gone
    expect(&over, .becameResolver, [], .over)
    expect(&over, .left, [.leaveResolvers, .depart], .gone)
    _ = gone.handle(.left)
    expect(&gone, .becameResolver, [.leaveResolvers], .gone)
    #expect(gone.role == .stranger)
  }

  @Test("after the end the requests of a client are still served, and those of a resolver are not")
  func lateRequests() {
    var client = client
    _ = client.handle(.vanished)
    let isServed = client.begins(.setService)
    #expect(isServed)
    var resolver = resolver
    _ = resolver.handle(.vanished)
    let isResolved = resolver.begins(.resolve)
    #expect(!isResolved)
  }
}
