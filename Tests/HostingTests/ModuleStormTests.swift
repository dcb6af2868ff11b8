import CWinsock
import Dispatch
import Foundation
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Sessions
import Synchronization
import Testing

/// 64 provider modules that 8 threads register and take back without pause, while clients look names up through all of them.
@Suite struct ModuleStormTests {
  /// Which of the modules may not be called, by the first number of its id.
  private static let gone = (0..<64).map { _ in Flag() }
  private static let calledWhenGone = Atomic<Int>(0)
  private static let begins = Atomic<Int>(0)

  private final class Flag: Sendable {
    let isUp = Atomic<Bool>(true)
  }

  private static func note(_ number: Int) {
    begins.add(1, ordering: .relaxed)
    if gone[number].isUp.load(ordering: .acquiring) { calledWhenGone.add(1, ordering: .relaxed) }
  }

  private func module(_ number: Int, _ registrar: ModuleRegistrar) throws -> ProviderModule {
    var table = NSPV2_ROUTINE()
    table.cbSize = 72
    table.NSPv2LookupServiceBegin = { id, _, _, _, handle in
      let number = Int(id!.pointee.Data1)
      ModuleStormTests.note(number)
      handle?.pointee = HANDLE(bitPattern: number + 1)
      return 0
    }
    table.NSPv2LookupServiceNextEx = { call, handle, _, _, _ in
      ModuleStormTests.note(Int(bitPattern: handle) - 1)
      WSAProviderCompleteAsyncCall(call, WSA_E_NO_MORE)
    }
    table.NSPv2LookupServiceEnd = { handle in
      ModuleStormTests.note(Int(bitPattern: handle) - 1)
      return 0
    }
    var id = GUID()
    id.Data1 = UInt32(number)
    // Ids of its own: what `WSAAdvertiseProvider` means by an id is looked for in every host of the process.
    id.Data2 = 0x5708
    let routines = try DirectRoutines(completing: &table, allowsPartial: false) { _, _ in }
    return ProviderModule(
      manifest: Manifest(id: id, displayName: "storm \(number)", nameSpace: .dns), routines: routines, file: nil,
      registrar: registrar, completion: { _, _ in })
  }

  @Test("64 modules come and go on 8 threads under lookups: nothing is lost, and nobody is called after its cleanup")
  func storm() throws {
    let registrar = ModuleRegistrar()
    let scripted = try ScriptedHost("scripted-a", registrar: registrar)
    let modules = try (0..<64).map { try module($0, registrar) }
    let isOver = Atomic<Bool>(false)
    let lost = Atomic<Int>(0)
    let looked = DispatchSemaphore(value: 0)
    let id = try scripted.id("scripted-a")
    Thread {
      while !isOver.load(ordering: .relaxed), let client = try? scripted.open() {
        for _ in 0..<20 {
          let found = try? scripted.lookup(client, "records-2")
          if found?.records.count(where: { $0.providerID == id }) != 2 { lost.add(1, ordering: .relaxed) }
        }
        _ = try? scripted.hangUp(client, .remote)
      }
      looked.signal()
    }.start()
    let before = clock()
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      while Double(clock() - before) / Double(CLOCKS_PER_SEC) < enduranceSeconds {
        // A module is registered once.
        let fresh = (thread * 8..<thread * 8 + 8).map { (number: $0, module: modules[$0].renewed()) }
        for (number, module) in fresh {
          Self.gone[number].isUp.store(false, ordering: .releasing)
          #expect(throws: Never.self) { try module.register() }
        }
        for (number, module) in fresh {
          module.deregister()
          module.waitUntilGone()
          Self.gone[number].isUp.store(true, ordering: .releasing)
        }
      }
    }
    isOver.store(true, ordering: .relaxed)
    #expect(looked.wait(timeout: .now() + 20) == .success)
    #expect(lost.load(ordering: .relaxed) == 0)
    #expect(Self.calledWhenGone.load(ordering: .relaxed) == 0)
    #expect(Self.begins.load(ordering: .relaxed) > 0)
    #expect(registrar.snapshot.interfaces[0].providers.count == 1)
    #expect(registrar.diagnostics == ModuleRegistrar.Diagnostics())
    scripted.finish()
    #expect(registrar.snapshot.interfaces.isEmpty)
  }
}
