import CWinsock
import Dispatch
import Foundation
import ModuleRegistrar
import Synchronization
import Testing

/// How long the tests of endurance run: `make test` says more than a plain `swift test`.
let enduranceSeconds = ProcessInfo.processInfo.environment["NSPHOST_ENDURANCE"].flatMap { Double($0) } ?? 1

@Suite struct ConcurrencyTests {
  @Test("NMR-104 a client and a provider come and go on two threads: every attach is balanced by one cleanup per side")
  func twoThreads() {
    let (registrar, journal) = (ModuleRegistrar(), Journal())
    let end = ContinuousClock.now + .seconds(enduranceSeconds * 1.5)
    let balance = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: 2) { number in
      while ContinuousClock.now < end {
        let module = TestModule(number == 0 ? .client : .provider, "m", registrar, journal)
        module.onOffer = { offer in
          let status = offer.accept()
          if status == .success { balance.add(1, ordering: .relaxed) }
          return status
        }
        module.onCleanup = { _ in balance.subtract(1, ordering: .relaxed) }
        module.register()
        module.deregister()
        #expect(module.wait() == .success)
        #expect(module.attachments.allSatisfy { $0.cleanups.load(ordering: .relaxed) == 1 })
        journal.clear()
      }
    }
    #expect(balance.load(ordering: .relaxed) == 0)
    #expect(registrar.snapshot.interfaces.isEmpty)
  }

  @Test("8 threads register and deregister 64 modules, with detaches completed elsewhere: nothing is lost")
  func storm() {
    let (registrar, journal) = (ModuleRegistrar(), Journal())
    let end = ContinuousClock.now + .seconds(enduranceSeconds)
    let late = DispatchQueue(label: "completions")
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      while ContinuousClock.now < end {
        let modules = (0..<8).map { number in
          let module = TestModule(
            (thread + number) % 2 == 0 ? .client : .provider, "m", registrar, journal, npi: UInt32(number / 4))
          if number % 3 == 0 {
            module.onDetach = { attachment in
              late.async { module.complete(attachment) }
              return .pending
            }
          }
          return module
        }
        for module in modules { module.register() }
        for module in modules { module.deregister() }
        for module in modules {
          #expect(module.wait() == .success)
          #expect(module.attachments.allSatisfy { $0.cleanups.load(ordering: .relaxed) == 1 })
        }
        journal.clear()
      }
    }
    late.sync {}
    #expect(registrar.snapshot.interfaces.isEmpty)
    #expect(registrar.diagnostics == ModuleRegistrar.Diagnostics())
  }
}
