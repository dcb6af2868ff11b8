import Foundation
import Providers
import RandomSequences
import Testing

/// Random lives of a provider: what modules, files, operators, processes and programs do, against the rules that hold in each of them.
@Suite struct ProviderSlotModelTests {
  @Test("10,000 random sequences keep the rules; a failing one is shrunk to a short script")
  func randomSequences() {
    let environment = ProcessInfo.processInfo.environment
    let seed = environment["NSPHOST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1 << 32)
    let count = environment["NSPHOST_SEQUENCES"].flatMap { Int($0) } ?? 10_000
    print("provider slot: \(count) sequences, NSPHOST_SEED=\(seed)")
    var generator = SplitMix(state: seed)
    for number in 0..<count {
      let script = SlotScript.random(using: &generator)
      guard let failure = script.failure else { continue }
      let (short, why) = script.shrunk(failure)
      Issue.record("sequence \(number) of seed \(seed): \(why)\n\(short.text)")
      return
    }
  }
}

/// What happens to one slot. A step that makes no sense when its turn comes is left out.
private struct SlotScript {
  enum Step {
    case load(continuing: Bool)
    case start, startIsLate, startReturns
    /// The file's own module is attached, before the file counts as loaded.
    case attachOwn
    case loadEnds(hasProcess: Bool)
    case loadFails, giveUp
    case attachItself, detachItself, yields, keeps
    case advertise(mayReplace: Bool)
    /// The registration that was wanted first is made, or fails.
    case register(Bool)
    case unadvertise
    case enable, disable, unload, putAway, refuse, list, remove
    case process(ProviderHosting.State)
    case advertiser, advertiserLeft
    /// A detach that is under way comes: which of them.
    case detach(Int)
    case retirementEnds(Int)
  }

  var steps: [Step]

  static func random(using generator: inout SplitMix) -> SlotScript {
    SlotScript(steps: (0..<Int.random(in: 4...40, using: &generator)).map { _ in step(&generator) })
  }

  private static func step(_ generator: inout SplitMix) -> Step {
    let isSo = Bool.random(using: &generator)
    let index = Int.random(in: 0..<4, using: &generator)
    switch Int.random(in: 0..<40, using: &generator) {
    case 0..<5: return .load(continuing: isSo)
    case 5: return .start
    case 6: return .startIsLate
    case 7: return .startReturns
    case 8..<11: return .attachOwn
    case 11..<15: return .loadEnds(hasProcess: isSo)
    case 15: return .loadFails
    case 16: return .giveUp
    case 17: return .attachItself
    case 18: return .detachItself
    case 19: return .yields
    case 20: return .keeps
    case 21..<24: return .advertise(mayReplace: isSo)
    case 24..<27: return .register(index > 0)
    case 27: return .unadvertise
    case 28, 29: return .enable
    case 30: return .disable
    case 31: return .unload
    case 32: return .putAway
    case 33: return isSo ? .refuse : .list
    case 34: return [.process(.running), .process(.restarting), .process(.quarantined), .process(.dead)][index]
    case 35: return isSo ? .advertiser : .advertiserLeft
    case 36, 37: return .detach(index)
    case 38: return .retirementEnds(index)
    default: return index == 0 ? .remove : .detach(index)
    }
  }

  var text: String { steps.map { "\($0)" }.joined(separator: "\n") }

  /// The first rule that is broken; nil where all are kept.
  var failure: String? {
    var world = SlotWorld()
    for step in steps {
      world.perform(step)
      if let defect = world.defect { return "\(step): \(defect)" }
    }
    world.end()
    return world.defect.map { "at the end: \($0)" }
  }

  /// Leaves steps out as long as it still fails.
  func shrunk(_ failure: String) -> (SlotScript, String) {
    var (script, why) = (self, failure)
    var index = 0
    while index < script.steps.count {
      var shorter = script
      shorter.steps.remove(at: index)
      if let failure = shorter.failure { (script, why, index) = (shorter, failure, 0) } else { index += 1 }
    }
    return (script, why)
  }
}

/// What surrounds a slot: the modules, files and starts that there are, and what of each has been done.
private struct SlotWorld {
  typealias Event = SlotEvent<SlotPart>

  var slot = ProviderSlot<SlotPart>(path: "/p/a.so")
  var defect: String?
  private var count = 0
  private var isRemoved = false
  private var isEnabled = true
  private var isYielding = false

  /// Of each module and file that has one, the binding.
  private var bindings: [(holder: SlotPart, binding: SlotPart)] = []
  /// What serves, as the registrar would say.
  private var serving: SlotPart?
  private var everServed: [SlotPart] = []
  private var kept: [SlotPart] = []
  private var retired: [SlotPart] = []
  private var gone: [SlotPart] = []
  private var detaching: [SlotPart] = []
  /// Modules that registered themselves.
  private var own: [SlotPart] = []

  private var isLoading = false
  /// Made by the file that is being loaded.
  private var coming: SlotPart?
  /// What the load has brought so far, and the modules among that.
  private var arrived: [SlotPart] = []
  private var broughtModules: [SlotPart] = []
  private var files: [SlotPart] = []
  private var starts: [SlotPart] = []
  private var registrations: [(module: SlotPart, rest: [SlotEffect<SlotPart>])] = []
  private var registered: [SlotPart] = []
  private var deregistered: [SlotPart] = []

  private mutating func require(_ isSo: Bool, _ rule: String) { if !isSo, defect == nil { defect = rule } }

  private mutating func part(_ name: String, hasProcess: Bool = false) -> SlotPart {
    count += 1
    return SlotPart("\(name)\(count)", hasProcess: hasProcess)
  }

  private static func part(_ held: AnyObject) -> SlotPart { (held as? SlotPart) ?? SlotPart("unknown") }

  private func binding(of holder: SlotPart) -> SlotPart? { bindings.first { $0.holder === holder }?.binding }

  // MARK: Events

  private enum Course { case loaded, registered, letGo, other }

  @discardableResult
  private mutating func handle(_ event: Event, _ course: Course = .other) -> [SlotEffect<SlotPart>] {
    let effects = slot.handle(event)
    perform(effects, course)
    require(slot.binding === serving, "what lookups call is what was attached last and is not detached")
    require(slot.file.map { file in files.contains { $0 === file } } ?? true, "the slot's file is one that is loaded")
    require(files.allSatisfy { $0 === slot.file }, "each loaded file is the slot's")
    require(starts.allSatisfy { $0 === slot.start }, "each start is the slot's")
    require(slot.refusal == nil || slot.binding == nil, "a provider that serves is not refused")
    for one in everServed where !gone.contains(where: { $0 === one }) {
      require(slot.has(one), "a binding is the slot's until it is gone")
    }
    return effects
  }

  private mutating func perform(_ effects: [SlotEffect<SlotPart>], _ course: Course) {
    for (index, effect) in effects.enumerated() {
      switch effect {
      case .turnAway, .refuse: break
      case .markReplaced(let one):
        require(everServed.contains { $0 === one } && one !== serving, "what is replaced has served")
      case .keepBooks(let one):
        require(everServed.contains { $0 === one }, "books are kept of what has served")
        require(!kept.contains { $0 === one }, "books are kept once")
        kept.append(one)
      case .retire(let one):
        require(!retired.contains { $0 === one }, "a binding is retired once")
        retired.append(one)
      case .register(let module):
        let isKnown = (registered + deregistered + registrations.map(\.module)).contains { $0 === module }
        require(!isKnown, "a module is registered once")
        // By another thread, which goes on with the rest.
        registrations.append((Self.part(module), Array(effects[(index + 1)...])))
        return
      case .renew(let old):
        let module = part("module")
        handle(.renewed(module, from: Self.part(old)), course)
      case .deregister(let offer):
        let module = Self.part(offer)
        // One that rests is asked for again when it is taken back: whoever does that waits for its end.
        if !deregistered.contains(where: { $0 === module }) { mayGo(binding(of: module), course) }
        deregistered.append(module)
        if let binding = binding(of: module) { beginDetach(binding) }
      case .abandon(let start):
        require(starts.contains { $0 === start }, "a start is abandoned once, and while it is wanted")
        starts.removeAll { $0 === start }
      case .unload(let file):
        require(files.contains { $0 === file }, "a file is unloaded once")
        mayGo(binding(of: Self.part(file)), course)
        files.removeAll { $0 === file }
        if let binding = binding(of: Self.part(file)) { beginDetach(binding) }
      }
    }
  }

  /// Nobody who could be served is refused.
  private mutating func mayGo(_ binding: SlotPart?, _ course: Course) {
    guard let binding, binding === serving else { return }
    switch course {
    case .letGo: break
    case .loaded: require(!arrived.contains { $0 === binding }, "what a load has brought serves when it has ended")
    case .registered, .other: require(false, "what serves goes only when that is wanted, or something takes its place")
    }
  }

  private mutating func beginDetach(_ binding: SlotPart) {
    if !retired.contains(where: { $0 === binding }), !detaching.contains(where: { $0 === binding }) { detaching.append(binding) }
  }

  /// - Returns: Whether it serves.
  private mutating func attach(_ binding: SlotPart, by registrant: SlotRegistrant) -> Bool {
    // Before the rules are looked at.
    let former = serving
    let mayServe = if case .host = registrant { true } else { former == nil || isYielding }
    let isWanted = isEnabled && !isRemoved && mayServe
    require(slot.admits(registrant) == isWanted, "it is said before who may serve")
    if isWanted { isYielding = false }
    if isWanted { (serving, everServed) = (binding, everServed + [binding]) }
    let effects = handle(.attached(binding, by: registrant, path: nil))
    require(effects.contains { $0.isRefusal } == !isWanted, "whoever is admitted is not turned away")
    if isWanted, let former { require(kept.contains { $0 === former }, "the books of what is replaced are kept") }
    return isWanted
  }

  private mutating func detach(_ index: Int) {
    guard !detaching.isEmpty else { return }
    let binding = detaching.remove(at: index % detaching.count)
    if serving === binding { (serving, isYielding) = (nil, false) }
    handle(.detached(binding))
    require(retired.contains { $0 === binding }, "what is detached is retired")
    let retirements = retired.count
    handle(.detached(binding))
    require(retired.count == retirements, "and not again")
  }

  // MARK: Steps

  mutating func perform(_ step: SlotScript.Step) {
    switch step {
    case .load(let continuing) where !isLoading && !isRemoved:
      (isLoading, isEnabled, coming, arrived, broughtModules) = (true, true, nil, [], [])
      handle(.loading(path: "/p/b.so", continuing: continuing ? slot.start : nil))
      require(slot.isEnabled && slot.refusal == nil && !slot.isUnloaded, "a load overrules what was before")
    case .start where isLoading:
      let start = part("start")
      starts.append(start)
      handle(.started(start))
    case .startIsLate:
      guard let start = slot.start, coming == nil else { return }
      handle(.late(start, "its constructors have not returned"))
      // Whoever has begun it goes on with other work.
      isLoading = false
    case .startReturns:
      guard isLoading, let start = slot.start else { return }
      starts.removeAll { $0 === start }
      handle(.returned(start))
    case .attachOwn where isLoading && coming == nil:
      let binding = part("binding")
      if attach(binding, by: .host) {
        coming = binding
        arrived.append(binding)
      }
    case .loadEnds(let hasProcess) where isLoading && slot.start == nil:
      let file = part("file", hasProcess: hasProcess)
      if let coming { bindings.append((file, coming)) }
      files.append(file)
      let advertised = slot.advertised
      handle(.loaded(file), .loaded)
      if hasProcess { require(slot.advertised === advertised, "what another process of the file serves is kept") }
      require(slot.file === file, "the file that was loaded last is the slot's")
      isLoading = false
    case .loadFails where isLoading:
      isLoading = false
      if let coming { beginDetach(coming) }
      // As where the start is over.
      if let start = slot.start {
        starts.removeAll { $0 === start }
        handle(.returned(start))
      }
      handle(.failed(Self.refusal, nil))
      require(serving != nil || slot.refusal != nil, "what failed is named")
    case .giveUp where !isLoading: handle(.givenUp)
    case .attachItself:
      let binding = part("self")
      if attach(binding, by: .itself) { own.append(binding) }
    case .detachItself: if let binding = own.popLast() { beginDetach(binding) }
    case .yields:
      isYielding = serving != nil
      handle(.yields)
    case .keeps:
      isYielding = false
      handle(.keeps)
    default: performOthers(step)
    }
  }

  private mutating func performOthers(_ step: SlotScript.Step) {
    switch step {
    case .advertise(let mayReplace):
      let module = part("module")
      if isLoading { broughtModules.append(module) }
      handle(.advertise(module, mayReplace: mayReplace))
      if !mayReplace, serving != nil { require(slot.advertised !== module, "a program does not take over from another one") }
    case .register(let works):
      guard !registrations.isEmpty else { return }
      let (module, rest) = registrations.removeFirst()
      // One that was taken back meanwhile can't be registered.
      if works, !deregistered.contains(where: { $0 === module }) {
        registered.append(module)
        let binding = part("binding")
        if attach(binding, by: .host) {
          bindings.append((module, binding))
          if broughtModules.contains(where: { $0 === module }) { arrived.append(binding) }
        }
        handle(.registered(module), .registered)
      } else {
        handle(.notRegistered(module))
        let wasTakenBack = deregistered.contains { $0 === module }
        require(wasTakenBack || slot.advertised !== module, "what can't be registered is not advertised")
      }
      perform(rest, .other)
    case .unadvertise: if let module = slot.advertised { handle(.unadvertise(module), .letGo) }
    case .enable:
      isEnabled = true
      handle(.enabled)
    case .disable where !isLoading:
      isEnabled = false
      handle(.disabled, .letGo)
    case .unload where !isLoading: handle(.unload, .letGo)
    case .putAway where !isLoading: handle(.putAway, .letGo)
    case .refuse: handle(.refused(Self.refusal))
    case .list: handle(.listed(path: "/p/c.so"))
    case .remove where !isLoading:
      isRemoved = true
      handle(.removed, .letGo)
    case .process(let state): handle(.process(ProviderHosting(state, processID: 7)))
    case .advertiser: handle(.advertiser(ProviderHosting(.running, processID: 9, advertiser: "a program")))
    case .advertiserLeft: handle(.advertiserLeft(processID: 9))
    case .detach(let index): detach(index)
    case .retirementEnds(let index):
      let leaving = retired.filter { one in !gone.contains { $0 === one } }
      guard !leaving.isEmpty else { return }
      let binding = leaving[index % leaving.count]
      gone.append(binding)
      handle(.gone(binding))
      require(!slot.has(binding), "what is gone is gone")
    default: break
    }
  }

  private static let refusal = Refusal(path: "/p/b.so", reason: .failedToLoad, detail: "it is damaged", remedy: "mend it")

  /// The host stops, and whatever was under way ends.
  mutating func end() {
    while !registrations.isEmpty { perform(.register(true)) }
    // What was attached for a load that never ended.
    if isLoading, let coming { beginDetach(coming) }
    handle(.givenUp)
    handle(.hostStops, .letGo)
    while let binding = own.popLast() { beginDetach(binding) }
    while !detaching.isEmpty { detach(0) }
    require(everServed.allSatisfy { one in retired.count { $0 === one } == 1 }, "every binding that has served is retired once")
    require(kept.count == everServed.count, "the books of every binding that has served are kept")
    while retired.count > gone.count { perform(.retirementEnds(0)) }
    require(files.isEmpty, "every file is unloaded")
    require(starts.isEmpty, "every start is abandoned, or its result taken")
    let left = registered.filter { module in !deregistered.contains { $0 === module } }
    require(left.isEmpty, "every module is deregistered")
    require(!slot.isInUse, "nothing is left")
  }
}
