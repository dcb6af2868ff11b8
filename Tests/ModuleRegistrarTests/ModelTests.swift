import CWinsock
import Dispatch
import Foundation
import ModuleRegistrar
import RandomSequences
import Rundown
import Testing

/// Random lives of modules, each step compared with a model that was written from nmr.md alone.
@Suite struct ModelTests {
  @Test("10,000 random sequences behave as the model says; a failing one is shrunk to a short script")
  func randomSequences() {
    let environment = ProcessInfo.processInfo.environment
    let seed = environment["NSPHOST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1 << 32)
    let count = environment["NSPHOST_SEQUENCES"].flatMap { Int($0) } ?? 10_000
    print("registrar model: \(count) sequences, NSPHOST_SEED=\(seed)")
    let otherThread = OtherThread()
    var generator = SplitMix(state: seed)
    for number in 0..<count {
      let script = Script.random(using: &generator)
      guard let failure = script.failure(otherThread) else { continue }
      let (short, why) = script.shrunk(failure, otherThread)
      Issue.record("sequence \(number) of seed \(seed): \(why)\n\(short.text)")
      return
    }
  }
}

/// A thread that does one thing at a time for the test's own.
final class OtherThread: Sendable {
  private let work = Locked<(@Sendable () -> Void)?>(nil)
  private let (given, done) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))

  init() {
    Thread { [self] in
      while true {
        given.wait()
        guard let job = work.withLock({ $0 }) else { return }
        job()
        done.signal()
      }
    }.start()
  }

  func run(_ job: @escaping @Sendable () -> Void) {
    work.withLock { $0 = job }
    given.signal()
    done.wait()
  }
}

/// How a module behaves, fixed for one script.
struct Behaviour {
  enum Attach: CaseIterable {
    case accept
    case refuse
    /// Clients only: answers a failure after it was attached.
    case failAfterwards
    /// Clients only: answers success without having attached.
    case claimSuccess
  }
  var role: ModuleRole
  var npi: UInt32
  var attach: Attach
  var detach: NTStatus
}

struct Script {
  enum Step {
    case register(Int)
    case deregister(Int)
    case wait(Int)
    /// A completion by one side of the n-th binding that was ever attached, maybe on another thread.
    case complete(Int, ModuleRole, elsewhere: Bool)
  }

  var modules: [Behaviour]
  var steps: [Step]

  static func random(using generator: inout SplitMix) -> Script {
    let modules = (0..<8).map { number in
      Behaviour(
        role: number < 4 ? .client : .provider, npi: UInt32.random(in: 1...2, using: &generator),
        attach: Int.random(in: 0..<3, using: &generator) > 0
          ? .accept : (number < 4 ? Behaviour.Attach.allCases : [.accept, .refuse]).randomElement(using: &generator)!,
        detach: [.success, .success, .pending, .pending, .accessDenied].randomElement(using: &generator)!)
    }
    let steps = (0..<Int.random(in: 4...30, using: &generator)).map { _ -> Step in
      let module = Int.random(in: 0..<8, using: &generator)
      switch Int.random(in: 0..<10, using: &generator) {
      case 0..<4: return .register(module)
      case 4..<7: return .deregister(module)
      case 7: return .wait(module)
      default:
        return .complete(
          Int.random(in: 0..<8, using: &generator), Bool.random(using: &generator) ? .client : .provider,
          elsewhere: Int.random(in: 0..<4, using: &generator) == 0)
      }
    }
    return Script(modules: modules, steps: steps)
  }

  var text: String {
    let names = modules.enumerated().map {
      "\(Self.name($0.offset, $0.element)): npi \($0.element.npi), attach \($0.element.attach), detach \($0.element.detach)"
    }
    return (names + steps.map { "\($0)" }).joined(separator: "\n")
  }

  static func name(_ number: Int, _ behaviour: Behaviour) -> String { (behaviour.role == .client ? "c" : "p") + String(number) }

  /// Nil when the registrar did in every step what the model does.
  func failure(_ otherThread: OtherThread) -> String? {
    let run = ScriptRun(self, otherThread)
    for (number, step) in steps.enumerated() {
      if let difference = run.perform(step) { return "step \(number + 1), \(step): \(difference)" }
    }
    return run.finish()
  }

  /// Leaves steps out as long as it still fails.
  func shrunk(_ failure: String, _ otherThread: OtherThread) -> (Script, String) {
    var (script, why) = (self, failure)
    var index = 0
    while index < script.steps.count {
      var shorter = script
      shorter.steps.remove(at: index)
      if let failure = shorter.failure(otherThread) {
        (script, why) = (shorter, failure)
      } else {
        index += 1
      }
    }
    return (script, why)
  }
}

/// What nmr.md says, for one thread: no locks, no handles, no callbacks, only what must be seen from outside.
struct RegistrarModel {
  enum Phase: Equatable {
    case absent
    case active
    case deregistering
    case complete
  }

  struct Pair {
    let client: Int
    let provider: Int
    /// Which of the attachments that each side made it is.
    let clientAttachment: Int
    let providerAttachment: Int
    var isAttached = true
    var isClosed = false
    var clientIsDone = false
    var providerIsDone = false
    var clientIsGone = false
  }

  let modules: [Behaviour]
  var phases: [Phase]
  var order: [Int] = []
  var pairs: [Pair] = []
  var attachments: [Int]
  var events: [String] = []
  var ignored = 0

  init(_ modules: [Behaviour]) {
    self.modules = modules
    phases = Array(repeating: .absent, count: modules.count)
    attachments = Array(repeating: 0, count: modules.count)
  }

  private func name(_ module: Int) -> String { Script.name(module, modules[module]) }

  mutating func register(_ module: Int) {
    let peers = order.filter { modules[$0].role != modules[module].role && modules[$0].npi == modules[module].npi }
    phases[module] = .active
    order.append(module)
    for peer in peers { offer(modules[module].role == .client ? (module, peer) : (peer, module)) }
  }

  private mutating func offer(_ pair: (client: Int, provider: Int)) {
    let (client, provider) = pair
    events.append("\(name(client)).attach")
    guard [.accept, .failAfterwards].contains(modules[client].attach) else { return }
    events.append("\(name(provider)).attach")
    guard modules[provider].attach == .accept else { return }
    var pair = Pair(
      client: client, provider: provider, clientAttachment: attachments[client], providerAttachment: attachments[provider])
    attachments[client] += 1
    attachments[provider] += 1
    if modules[client].attach == .failAfterwards {
      pair.isAttached = false
      pair.clientIsGone = true
      pair.clientIsDone = true
      events.append("\(name(provider)).detach")
      pair.providerIsDone = modules[provider].detach != .pending
    }
    pairs.append(pair)
    settle(pairs.count - 1)
  }

  mutating func deregister(_ module: Int) -> NTStatus {
    switch phases[module] {
    case .absent, .complete: return .invalidParameter
    case .deregistering: return .invalidDeviceState
    case .active: break
    }
    phases[module] = .deregistering
    order.removeAll { $0 == module }
    for index in pairs.indices where pairs[index].isAttached && [pairs[index].client, pairs[index].provider].contains(module) {
      pairs[index].isAttached = false
    }
    for index in pairs.indices
    where !pairs[index].isAttached && !pairs[index].isClosed && !pairs[index].clientIsGone && !wasDetached.contains(index)
      && [pairs[index].client, pairs[index].provider].contains(module)
    {
      wasDetached.insert(index)
      events += ["\(name(pairs[index].client)).detach", "\(name(pairs[index].provider)).detach"]
      pairs[index].clientIsDone = modules[pairs[index].client].detach != .pending
      pairs[index].providerIsDone = modules[pairs[index].provider].detach != .pending
      settle(index)
    }
    completeIfDone(module)
    return phases[module] == .complete ? .success : .pending
  }
  private var wasDetached: Set<Int> = []

  mutating func complete(_ index: Int, _ role: ModuleRole) {
    let pair = pairs[index]
    guard !pair.isAttached, !pair.isClosed, !(role == .client ? pair.clientIsDone : pair.providerIsDone) else {
      ignored += 1
      return
    }
    if role == .client { pairs[index].clientIsDone = true } else { pairs[index].providerIsDone = true }
    settle(index)
  }

  private mutating func settle(_ index: Int) {
    let pair = pairs[index]
    guard !pair.isAttached, pair.clientIsDone, pair.providerIsDone else { return }
    if !pair.clientIsGone { events.append("\(name(pair.client)).cleanup") }
    events.append("\(name(pair.provider)).cleanup")
    pairs[index].isClosed = true
    completeIfDone(pair.client)
    completeIfDone(pair.provider)
  }

  private mutating func completeIfDone(_ module: Int) {
    guard phases[module] == .deregistering else { return }
    if pairs.allSatisfy({ $0.isClosed || $0.client != module && $0.provider != module }) { phases[module] = .complete }
  }

  /// Nil where waiting would block.
  func wait(_ module: Int) -> NTStatus? {
    switch phases[module] {
    case .absent, .active: .invalidParameter
    case .deregistering: nil
    case .complete: .success
    }
  }
}

/// A script performed on a registrar and on the model side by side.
private final class ScriptRun {
  private let registrar = ModuleRegistrar.modelled
  private let journal = Journal()
  private let otherThread: OtherThread
  private let modules: [TestModule]
  private var model: RegistrarModel
  private let ignoredBefore: Int

  init(_ script: Script, _ otherThread: OtherThread) {
    self.otherThread = otherThread
    model = RegistrarModel(script.modules)
    ignoredBefore = registrar.diagnostics.ignoredCompletions
    let (registrar, journal) = (registrar, journal)
    modules = script.modules.enumerated().map { number, behaviour in
      let module = TestModule(behaviour.role, Script.name(number, behaviour), registrar, journal, npi: behaviour.npi)
      module.onDetach = { _ in behaviour.detach }
      switch behaviour.attach {
      case .accept: break
      case .refuse: module.onOffer = { _ in .noInterface }
      case .claimSuccess: module.onOffer = { _ in .success }
      case .failAfterwards: module.onOffer = { $0.accept() == .success ? .unsuccessful : .noInterface }
      }
      return module
    }
  }

  func perform(_ step: Script.Step) -> String? {
    switch step {
    case .register(let module):
      guard [.absent, .complete].contains(model.phases[module]) else { return nil }
      model.register(module)
      guard modules[module].register() == .success else { return "was refused" }
    case .deregister(let module):
      let expected = model.deregister(module)
      let answer = modules[module].deregister()
      guard answer == expected else { return "answered \(answer), the model \(expected)" }
    case .wait(let module):
      guard let expected = model.wait(module) else { return nil }
      let answer = modules[module].wait()
      guard answer == expected else { return "answered \(answer), the model \(expected)" }
    case .complete(let number, let role, let elsewhere):
      guard number < model.pairs.count else { return nil }
      complete(number, role, elsewhere)
    }
    return difference
  }

  private func complete(_ number: Int, _ role: ModuleRole, _ elsewhere: Bool) {
    let pair = model.pairs[number]
    let attachment = modules[pair.provider].attachments[pair.providerAttachment]
    let (registrar, binding) = (registrar, attachment.binding)
    model.complete(number, role)
    if elsewhere {
      otherThread.run { registrar.detachComplete(binding, role: role) }
    } else {
      registrar.detachComplete(binding, role: role)
    }
  }

  private var difference: String? {
    let (events, expected) = (journal.events, model.events)
    if events != expected { return "callbacks \(events.joined(separator: " ")), the model's \(expected.joined(separator: " "))" }
    let ignored = registrar.diagnostics.ignoredCompletions - ignoredBefore
    return ignored == model.ignored ? nil : "\(ignored) completions ignored, by the model \(model.ignored)"
  }

  /// Takes everything down and looks for what is left.
  func finish() -> String? {
    for module in modules.indices where model.phases[module] == .active {
      if let difference = perform(.deregister(module)) { return difference }
    }
    for number in model.pairs.indices {
      for role in [ModuleRole.provider, .client] {
        if let difference = perform(.complete(number, role, elsewhere: false)) { return difference }
      }
    }
    for module in modules.indices {
      if let difference = perform(.wait(module)) { return difference }
    }
    for pair in model.pairs {
      let provider = modules[pair.provider].attachments[pair.providerAttachment]
      let client = modules[pair.client].attachments[pair.clientAttachment]
      guard provider.cleanups.load(ordering: .relaxed) == 1,
        client.cleanups.load(ordering: .relaxed) == (pair.clientIsGone ? 0 : 1)
      else { return "an attach was not balanced by one cleanup on each side" }
    }
    return registrar.snapshot.interfaces.isEmpty ? nil : "something is left in the registrar"
  }
}

extension ModuleRegistrar {
  /// One for all scripts: every one of them leaves it empty.
  fileprivate static let modelled = ModuleRegistrar()
}
