import CallManagement
import Foundation
import Glibc
import Rundown
import Synchronization
import Testing

/// What one connection of the storm went through. Its number, from 1, is the context of both sides.
private final class Life: Sendable {
  let handle = Atomic<UInt64>(0)
  let isClients = Atomic<Bool>(false)
  let deletions = Atomic<Int>(0)
  /// Requests that were answered with PENDING, and completions that came.
  let pended = Atomic<Int>(0)
  let completed = Atomic<Int>(0)
  let closesIndicated = Atomic<Int>(0)
  let connectedAfterClose = Atomic<Int>(0)

  var vc: Handle { Handle(rawValue: handle.load(ordering: .acquiring)) }
}

/// Both drivers of 10,000 connections, whose calls are made, answered, closed from either end or from both at once, and completed
/// at once or later, on whichever thread comes along.
private final class Storm: CallClient, CallManager, @unchecked Sendable {
  // Unchecked: the handles are written before the threads begin.
  let calls = CoNDIS()
  let lives: [Life]
  /// The other side of a creation knows the handle alone.
  private let numbers = Locked<[Handle: Int]>([:])
  private let work = Locked<[@Sendable () -> Void]>([])
  private var (adapter, binding, family, sap) = (
    Handle(rawValue: 0), Handle(rawValue: 0), Handle(rawValue: 0), Handle(rawValue: 0)
  )
  let begun = Atomic<Int>(0)
  let gone = Atomic<Int>(0)

  init(_ count: Int) {
    lives = (0..<count).map { _ in Life() }
    adapter = calls.createAdapter(.none, callManager: self)!
    _ = calls.registerAddressFamily(adapter: adapter, Scene.number)
    _ = calls.openAdapter(adapter, client: self, context: .none, issued: { binding = $0! })
    _ = calls.openAddressFamily(binding, Scene.number, context: .none) { family = $0! }
    _ = calls.registerSAP(family, context: .none, Scene.address) { sap = $0! }
  }

  func run(threads: Int) {
    let ended = DispatchSemaphore(value: 0)
    for thread in 0..<threads {
      Thread {
        for number in stride(from: thread, to: self.lives.count, by: threads) {
          self.begin(number)
          self.help()
        }
        while self.gone.load(ordering: .relaxed) < self.lives.count { if !self.help() { sched_yield() } }
        ended.signal()
      }.start()
    }
    for _ in 0..<threads { ended.wait() }
  }

  func close() -> Bool {
    calls.deregisterSAP(sap) == .success && calls.closeAddressFamily(family) == .success
      && calls.closeAdapter(binding) == .success && calls.haltAdapter(adapter) == .success
  }

  /// Does something that was left for later; false when there is nothing.
  @discardableResult
  private func help() -> Bool {
    let job = work.withLock { work -> (@Sendable () -> Void)? in
      guard !work.isEmpty else { return nil }
      work.swapAt(Int.random(in: work.indices), work.count - 1)
      return work.removeLast()
    }
    job?()
    return job != nil
  }

  private func later(_ job: @escaping @Sendable () -> Void) { work.withLock { $0.append(job) } }

  /// Answers now, or pends and completes on another thread.
  private func now(_ status: NDISStatus, _ life: Life, orLater complete: @escaping @Sendable () -> Void) -> NDISStatus {
    if Bool.random() { return status }
    life.pended.add(1, ordering: .relaxed)
    later(complete)
    return .pending
  }

  private func life(_ context: DriverContext) -> Life { lives[Int(bitPattern: context.pointer) - 1] }
  private func context(_ number: Int) -> DriverContext { Scene.context(UInt(number + 1)) }

  // MARK: A life

  private func begin(_ number: Int) {
    let life = lives[number]
    let isClients = Bool.random()
    life.isClients.store(isClients, ordering: .relaxed)
    let issued: (Handle?) -> Void = { vc in
      guard let vc else { return }
      life.handle.store(vc.rawValue, ordering: .releasing)
      self.numbers.withLock { $0[vc] = number }
    }
    begun.add(1, ordering: .relaxed)
    if isClients {
      _ = calls.createVC(binding: binding, family: family, context: context(number), issued: issued)
      let status = calls.makeCall(life.vc, Scene.parameters)
      if status != .pending { made(status, life) }
    } else {
      _ = calls.createVC(adapter: adapter, family: family, context: context(number), issued: issued)
      _ = calls.activateVC(byMiniportCallManager: life.vc, Scene.parameters)
      let status = calls.dispatchIncomingCall(sap, life.vc, Scene.parameters)
      if status != .pending { answered(status, life) }
    }
  }

  private func made(_ status: NDISStatus, _ life: Life) { if status == .success { up(life) } else { over(life) } }

  private func answered(_ status: NDISStatus, _ life: Life) {
    guard status == .success else { return over(life) }
    later {
      self.calls.dispatchCallConnected(life.vc)
      self.up(life)
    }
    // Perhaps before it is connected.
    if Bool.random() { later { self.calls.dispatchIncomingCloseCall(.mediaDisconnect, life.vc) } }
  }

  /// Closed from either end, or from both.
  private func up(_ life: Life) {
    let byClient = Bool.random()
    if byClient { later { self.closed(self.calls.closeCall(life.vc), life) } }
    if !byClient || Bool.random() {
      later { self.calls.dispatchIncomingCloseCall(Bool.random() ? .success : .hardwareLineDown, life.vc) }
    }
  }

  /// Of the closes of a call one is taken; the others are answered otherwise.
  private func closed(_ status: NDISStatus, _ life: Life) { if status == .success { over(life) } }

  private func over(_ life: Life) {
    later {
      // Refused and failed calls leave the connection active.
      _ = self.calls.deactivateVC(byMiniportCallManager: life.vc)
      let status =
        life.isClients.load(ordering: .relaxed)
        ? self.calls.deleteVC(life.vc) : self.calls.deleteVC(byMiniportCallManager: life.vc)
      if status == .success { self.gone.add(1, ordering: .relaxed) } else { self.over(life) }
    }
  }

  // MARK: The client

  func createVC(_ family: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext) {
    (.success, context(numbers.withLock { $0[vc] ?? 0 }))
  }
  func deleteVC(_ vc: DriverContext) -> NDISStatus {
    life(vc).deletions.add(1, ordering: .relaxed)
    return .success
  }
  func makeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: Handle?, _ parameters: PassedPointer) {
    life(vc).completed.add(1, ordering: .relaxed)
    made(status, life(vc))
  }
  func incomingCall(_ sap: DriverContext, _ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus {
    let life = life(vc)
    let status: NDISStatus = Int.random(in: 0..<4) == 0 ? .notAccepted : .success
    return now(status, life) { self.calls.incomingCallComplete(status, life.vc, parameters) }
  }
  func callConnected(_ vc: DriverContext) {
    if life(vc).closesIndicated.load(ordering: .acquiring) > 0 { life(vc).connectedAfterClose.add(1, ordering: .relaxed) }
  }
  func incomingCloseCall(_ status: NDISStatus, _ vc: DriverContext, _ data: CloseData) {
    let life = life(vc)
    life.closesIndicated.add(1, ordering: .releasing)
    if Bool.random() {
      closed(calls.closeCall(life.vc), life)
    } else {
      later { self.closed(self.calls.closeCall(life.vc), life) }
    }
  }
  func closeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: DriverContext) {
    life(vc).completed.add(1, ordering: .relaxed)
    over(life(vc))
  }

  // MARK: The call manager

  func makeCall(_ vc: DriverContext, _ parameters: PassedPointer, _ party: Handle?) -> (NDISStatus, DriverContext) {
    let life = life(vc)
    let status: NDISStatus = Int.random(in: 0..<4) == 0 ? .networkUnreachable : .success
    return (now(status, life) { self.calls.makeCallComplete(status, life.vc, parameters) }, .none)
  }
  func closeCall(_ vc: DriverContext, _ party: DriverContext, _ data: CloseData) -> NDISStatus {
    let life = life(vc)
    _ = calls.deactivateVC(byMiniportCallManager: life.vc)
    return now(.success, life) { self.calls.closeCallComplete(.success, life.vc) }
  }
  func incomingCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer) {
    life(vc).completed.add(1, ordering: .relaxed)
    answered(status, life(vc))
  }

  func openAddressFamily(_ owner: DriverContext, _ family: AddressFamily, _ handle: Handle) -> (NDISStatus, DriverContext) {
    (.success, .none)
  }
  func closeAddressFamily(_ family: DriverContext) -> NDISStatus { .success }
  func registerSAP(_ family: DriverContext, _ address: PassedPointer, _ handle: Handle) -> (NDISStatus, DriverContext) {
    (.success, .none)
  }
  func deregisterSAP(_ sap: DriverContext) -> NDISStatus { .success }

  // Both protocols have placeholders for these.
  func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus { .notSupported }
  func oidRequestComplete(_ origin: RequestTarget, _ request: PassedPointer, _ status: NDISStatus) {}
  func statusIndicated(_ binding: DriverContext, _ vc: DriverContext, _ indication: PassedPointer) {}
}

@Suite struct StressTests {
  @Test("CON-103 CON-115 10,000 connections on 8 threads, closed at random from both ends: everything that began has ended, once")
  func storm() {
    let storm = Storm(10_000)
    storm.run(threads: 8)
    #expect(storm.calls.endedCalls == storm.begun.load(ordering: .relaxed))
    #expect(storm.calls.calls.isEmpty)
    var (deletions, unanswered, repeated, misordered) = (0, 0, 0, 0)
    for life in storm.lives {
      if life.deletions.load(ordering: .relaxed) == 1 { deletions += 1 }
      if life.pended.load(ordering: .relaxed) != life.completed.load(ordering: .relaxed) { unanswered += 1 }
      if life.closesIndicated.load(ordering: .relaxed) > 1 { repeated += 1 }
      misordered += life.connectedAfterClose.load(ordering: .relaxed)
    }
    #expect(deletions == 10_000, "each is deleted once, by its creator: the other side is told")
    #expect(unanswered == 0, "every request that was pended has one completion")
    #expect(repeated == 0, "a close is indicated once per call")
    #expect(misordered == 0)
    #expect(storm.close())
  }
}
