import CWinsock
import Dispatch
import Foundation
import ModuleRegistrar
import Synchronization
import Testing

/// Detaching, deregistering and waiting (nmr.md §9, §10, §13.3).
@Suite struct DetachTests {
  let registrar = ModuleRegistrar()
  let journal = Journal()

  private func client(_ name: String = "c") -> TestModule { TestModule(.client, name, registrar, journal) }
  private func provider(_ name: String = "p") -> TestModule { TestModule(.provider, name, registrar, journal) }
  private func module(_ role: ModuleRole) -> TestModule { role == .client ? client() : provider() }

  private static let detachOrder = ["c.detach", "p.detach", "c.cleanup", "p.cleanup"]

  /// An attached pair, with the journal empty.
  private func pair() -> (c: TestModule, p: TestModule) {
    let (c, p) = (client(), provider())
    c.register()
    p.register()
    journal.clear()
    return (c, p)
  }

  private func inBackground(_ work: @escaping @Sendable () -> Void) -> DispatchSemaphore {
    let done = DispatchSemaphore(value: 0)
    Thread {
      work()
      done.signal()
    }.start()
    return done
  }

  private func expectDone(_ done: DispatchSemaphore) { #expect(done.wait(timeout: .now() + 10) == .success) }

  @Test(
    "NMR-050 NMR-051 NMR-052 NMR-055 whoever goes: client detach, provider detach, client cleanup, provider cleanup",
    arguments: [ModuleRole.client, .provider])
  func order(goes: ModuleRole) {
    let (c, p) = pair()
    #expect((goes == .client ? c : p).deregister() == .success)
    #expect(journal.events == Self.detachOrder)
    #expect(c.attachments[0].cleanups.load(ordering: .relaxed) == 1, "each got the context that it gave")
    #expect(p.attachments[0].cleanups.load(ordering: .relaxed) == 1)
    #expect((goes == .client ? p : c).deregister() == .success)
    #expect(journal.events == Self.detachOrder)
  }

  @Test(
    "NMR-054 NMR-056 NMR-057 NMR-076 a pending side holds the cleanups back until it completes",
    arguments: [ModuleRole.client, .provider])
  func onePending(side: ModuleRole) {
    let (c, p) = pair()
    let slow = side == .client ? c : p
    slow.onDetach = { _ in .pending }
    #expect(slow.deregister() == .pending)
    #expect(journal.events == ["c.detach", "p.detach"])
    let waited = inBackground { #expect(slow.wait() == .success) }
    #expect(waited.wait(timeout: .now() + 0.02) == .timedOut)
    slow.complete(slow.attachments[0])
    #expect(journal.events == Self.detachOrder, "the cleanups ran before it returned")
    expectDone(waited)
    (side == .client ? p : c).deregister()
  }

  @Test("NMR-058 NMR-059 with both pending the second completion cleans up, in either order", arguments: [true, false])
  func bothPending(clientFirst: Bool) {
    let (c, p) = pair()
    c.onDetach = { _ in .pending }
    p.onDetach = { _ in .pending }
    c.deregister()
    let order = clientFirst ? [c, p] : [p, c]
    order[0].complete(order[0].attachments[0])
    #expect(journal.events == ["c.detach", "p.detach"])
    order[1].complete(order[1].attachments[0])
    #expect(journal.events == Self.detachOrder)
    #expect(c.wait() == .success)
    p.deregister()
  }

  @Test(
    "NMR-060 a completion inside the detach callback counts, and the cleanup comes after the callback",
    arguments: [ModuleRole.client, .provider])
  func earlyCompletion(side: ModuleRole) {
    let (c, p) = pair()
    let early = side == .client ? c : p
    early.onDetach = { attachment in
      early.complete(attachment)
      self.journal.note("returning")
      return .pending
    }
    #expect(p.deregister() == .success)
    #expect(journal.count("c.cleanup") == 1 && journal.count("p.cleanup") == 1)
    let events = journal.events
    #expect(events.firstIndex(of: "returning")! < events.firstIndex(of: "c.cleanup")!)
    c.deregister()
  }

  @Test("NMR-061 a completion from another thread while the callback runs counts once")
  func overtakingCompletion() {
    let (c, p) = pair()
    p.onDetach = { attachment in
      self.expectDone(self.inBackground { p.complete(attachment) })
      return .pending
    }
    #expect(p.deregister() == .success)
    #expect(journal.events == Self.detachOrder)
    c.deregister()
  }

  @Test("NMR-062 NMR-063 NMR-064 completions out of place, repeated or with garbage are counted and ignored")
  func ignoredCompletions() {
    let (c, p) = pair()
    let binding = c.attachments[0].binding
    c.complete(c.attachments[0])
    #expect(journal.events.isEmpty, "nothing is being detached")
    p.onDetach = { _ in .pending }
    c.deregister()
    c.complete(c.attachments[0])
    #expect(journal.events == ["c.detach", "p.detach"], "its callback had said SUCCESS")
    p.complete(p.attachments[0])
    p.complete(p.attachments[0])
    #expect(journal.events == Self.detachOrder)
    for garbage in [0, 3, binding.rawValue, p.handle.rawValue, UInt64.max] {
      registrar.detachComplete(ModuleHandle(rawValue: garbage), role: .provider)
    }
    #expect(registrar.diagnostics.ignoredCompletions == 8)
    NmrClientDetachProviderComplete(nil)
    NmrProviderDetachClientComplete(HANDLE(bitPattern: UInt.max))
    p.deregister()
  }

  @Test("NMR-066 a detach status of neither SUCCESS nor PENDING counts as done")
  func oddStatus() {
    let (c, p) = pair()
    c.onDetach = { _ in .invalidParameter }
    p.onDetach = { _ in NTStatus(rawValue: 5) }
    #expect(c.deregister() == .success)
    #expect(journal.events == Self.detachOrder)
    #expect(registrar.diagnostics.unexpectedDetachStatuses == 2)
    p.deregister()
  }

  @Test("NMR-067 NMR-068 NMR-069 NMR-070 the C functions answer PENDING; the compatible ones SUCCESS when all was done")
  func exportedAnswers() {
    let journal = Journal()
    let (c, p) = (
      TestModule(.client, "c", .shared, journal, npi: 0xC0DE), TestModule(.provider, "p", .shared, journal, npi: 0xC0DE)
    )
    func registered(_ module: TestModule) -> HANDLE? {
      module.register()
      return module.handle.handle
    }
    #expect(NmrDeregisterClient(registered(c)) == STATUS_PENDING)
    #expect(NmrDeregisterProvider(registered(p)) == STATUS_PENDING)
    #expect(NmrWaitForClientDeregisterComplete(c.handle.handle) == STATUS_SUCCESS)
    #expect(NmrWaitForProviderDeregisterComplete(p.handle.handle) == STATUS_SUCCESS)
    #expect(NmrCompatDeregisterClient(registered(c)) == STATUS_SUCCESS)
    #expect(NmrCompatDeregisterProvider(registered(p)) == STATUS_SUCCESS)
    _ = (registered(c), registered(p))
    p.onDetach = { _ in .pending }
    #expect(NmrCompatDeregisterProvider(p.handle.handle) == STATUS_PENDING)
    NmrProviderDetachClientComplete(p.attachments[0].binding.handle)
    #expect(NmrWaitForProviderDeregisterComplete(p.handle.handle) == STATUS_SUCCESS)
    #expect(NmrCompatDeregisterClient(c.handle.handle) == STATUS_SUCCESS)
  }

  @Test("NMR-071 NMR-072 NMR-073 NMR-074 NMR-075 NMR-077 deregistering and waiting check their handle")
  func handles() {
    let (c, p) = pair()
    let binding = c.attachments[0].binding
    func deregister(_ handle: ModuleHandle, _ role: ModuleRole) -> NTStatus {
      do throws(NTStatus) { return try registrar.deregister(handle, role: role) ? .success : .pending } catch { return error }
    }
    func wait(_ handle: ModuleHandle, _ role: ModuleRole) -> NTStatus {
      do throws(NTStatus) {
        try registrar.waitForDeregistration(handle, role: role)
        return .success
      } catch { return error }
    }
    let garbage = [0, 1, UInt64.max, 0xBAD, 1 << 40 | 1, 1 << 50 | 9].map { ModuleHandle(rawValue: $0) } + [binding]
    for handle in garbage {
      #expect(deregister(handle, .client) == .invalidParameter && wait(handle, .client) == .invalidParameter)
    }
    #expect(deregister(c.handle, .provider) == .invalidParameter && wait(c.handle, .provider) == .invalidParameter)
    #expect(wait(c.handle, .client) == .invalidParameter, "not deregistered yet")
    c.onDetach = { _ in .pending }
    #expect(deregister(c.handle, .client) == .pending)
    #expect(deregister(c.handle, .client) == .invalidDeviceState)
    #expect(registrar.diagnostics.repeatedDeregistrations == 1)
    c.complete(c.attachments[0])
    #expect(deregister(c.handle, .client) == .invalidParameter, "complete")
    for _ in 0..<3 { #expect(wait(c.handle, .client) == .success) }
    p.deregister()
  }

  @Test("NMR-078 NMR-079 two threads may wait for one deregistration; nothing is called after it")
  func twoWaiters() {
    let (c, p) = pair()
    c.onDetach = { _ in .pending }
    c.deregister()
    let waiters = (0..<2).map { _ in inBackground { #expect(c.wait() == .success) } }
    c.complete(c.attachments[0])
    for waiter in waiters { expectDone(waiter) }
    let before = journal.events
    provider("p2").register()
    #expect(journal.events == before)
    p.deregister()
  }

  @Test("NMR-080 waiting for oneself from inside a callback would be a deadlock, and is refused")
  func deadlock() {
    let (c, p) = pair()
    c.onDetach = { _ in
      #expect(c.wait() == .possibleDeadlock)
      return .success
    }
    c.onCleanup = { _ in #expect(c.wait() == .possibleDeadlock) }
    #expect(c.deregister() == .success)
    c.onOffer = { offer in
      c.deregister()
      #expect(c.wait() == .possibleDeadlock)
      return .noInterface
    }
    c.register()
    #expect(c.wait() == .success)
    p.deregister()
  }

  @Test("NMR-081 when both sides deregister, each callback runs once and both waits return")
  func bothDeregister() {
    let (c, p) = pair()
    c.onDetach = { _ in .pending }
    #expect(c.deregister() == .pending)
    #expect(p.deregister() == .pending)
    #expect(journal.events == ["c.detach", "p.detach"])
    c.complete(c.attachments[0])
    #expect(c.wait() == .success && p.wait() == .success)
    #expect(journal.events == Self.detachOrder)
  }

  @Test(
    "NMR-082 NMR-083 NMR-084 one that is going is paired with nobody new; when gone it may come again",
    arguments: [ModuleRole.client, .provider])
  func going(role: ModuleRole) {
    let (c, p) = pair()
    let goes = role == .client ? c : p
    goes.onDetach = { _ in .pending }
    goes.deregister()
    let late = module(role == .client ? .provider : .client)
    late.register()
    #expect(late.attachments.isEmpty)
    goes.complete(goes.attachments[0])
    goes.wait()
    let old = goes.handle
    goes.onDetach = { _ in .success }
    journal.clear()
    goes.register()
    #expect(goes.handle != old && goes.attachments.count == 3, "attached to both others")
    for module in [c, p, late] { module.deregister() }
    #expect(registrar.snapshot.interfaces.isEmpty)
  }

  @Test("NMR-085 one client's going leaves the other attached")
  func oneOfTwo() {
    let (c, p) = pair()
    let other = client("d")
    other.register()
    c.deregister()
    #expect(registrar.snapshot.interfaces[0].bindings.map(\.client) == [other.handle])
    other.deregister()
    p.deregister()
  }

  @Test("NMR-086 NMR-088 a client that deregisters inside its attach callback can't attach, and is offered nobody else")
  func selfBeforeAttach() {
    let providers = (0..<3).map { provider("p\($0)") }
    for provider in providers { provider.register() }
    let c = client()
    c.onOffer = { offer in
      c.deregister()
      return offer.accept()
    }
    c.register()
    #expect(journal.events == ["c.attach"])
    #expect(c.wait() == .success)
    for provider in providers { provider.deregister() }
  }

  @Test(
    "NMR-087 NMR-089 one that deregisters after attaching, still inside, is detached and cleaned up before Register returns",
    arguments: [ModuleRole.client, .provider])
  func selfAfterAttach(role: ModuleRole) {
    let (c, p) = (client(), provider())
    let goes = role == .client ? c : p
    goes.onOffer = { offer in
      let status = offer.accept()
      #expect(goes.deregister() == .pending)
      return status
    }
    c.register()
    p.register()
    #expect(journal.events == ["c.attach", "p.attach"] + Self.detachOrder)
    #expect(goes.wait() == .success)
    (role == .client ? p : c).deregister()
  }

  @Test("NMR-090 a deregistration during an attach on another thread ends with the late detach")
  func lateAttach() {
    let (c, p) = (client(), provider())
    let (inside, goOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    p.onOffer = { offer in
      inside.signal()
      goOn.wait()
      return offer.accept()
    }
    c.register()
    let registered = inBackground { p.register() }
    inside.wait()
    #expect(c.deregister() == .pending)
    let waited = inBackground { #expect(c.wait() == .success) }
    #expect(waited.wait(timeout: .now() + 0.02) == .timedOut)
    goOn.signal()
    expectDone(waited)
    expectDone(registered)
    #expect(journal.events == ["c.attach", "p.attach"] + Self.detachOrder)
    p.deregister()
  }

  @Test("NMR-091 NMR-092 NMR-106 every function may be called from every callback")
  func reentrant() {
    let (c, p) = (client(), provider())
    let others = (0..<6).map { client("x\($0)") }
    var next = 0
    func another() {
      others[next].register()
      next += 1
    }
    c.onOffer = { offer in
      another()
      return offer.accept()
    }
    p.onOffer = { offer in
      _ = self.registrar.snapshot
      return offer.accept()
    }
    c.onDetach = { _ in
      others[0].deregister()
      #expect(others[0].wait() == .success)
      another()
      return .success
    }
    p.onDetach = { _ in .success }
    c.onCleanup = { _ in
      another()
      others[1].deregister()
    }
    c.register()
    p.register()
    c.deregister()
    #expect(c.wait() == .success)
    p.deregister()
    others[2].deregister()
    #expect(registrar.snapshot.interfaces.isEmpty)
  }

  @Test("NMR-093 a callback that blocks holds up its own caller alone")
  func blocked() {
    let (c, p) = pair()
    let (inside, goOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    c.onDetach = { _ in
      inside.signal()
      goOn.wait()
      return .success
    }
    let gone = inBackground { c.deregister() }
    inside.wait()
    let (d, q) = (client("d"), provider("q"))
    d.register()
    q.register()
    #expect(d.attachments.count == 2)
    #expect(d.deregister() == .success && q.deregister() == .success)
    goOn.signal()
    expectDone(gone)
    p.deregister()
  }

  @Test("NMR-103 NMR-105 ten thousand cycles leave nothing behind and use no handle twice, waited for or not")
  func cycles() {
    var handles: Set<UInt64> = []
    let p = provider()
    p.register()
    for cycle in 0..<10_000 {
      let c = client()
      c.register()
      handles.insert(c.handle.rawValue)
      handles.insert(c.attachments[0].binding.rawValue)
      c.deregister()
      if cycle % 2 == 0 { c.wait() }
    }
    #expect(handles.count == 20_000)
    #expect(registrar.snapshot.interfaces.count == 1 && registrar.snapshot.interfaces[0].clients.isEmpty)
    p.deregister()
    #expect(registrar.snapshot.interfaces.isEmpty)
  }
}
