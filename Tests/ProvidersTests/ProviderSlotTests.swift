import Providers
import Testing

@Suite struct ProviderSlotTests {
  private typealias Slot = ProviderSlot<SlotPart>

  private static let refusal = Refusal(path: "/p/a.so", reason: .failedToLoad, detail: "it is damaged", remedy: "mend it")

  /// A slot with what happens to it, step by step.
  private struct Life {
    var slot = Slot(path: "/p/a.so")

    @discardableResult
    mutating func handle(_ event: SlotEvent<SlotPart>) -> [String] { slot.handle(event).map(\.text) }

    /// A file is loaded and its binding serves.
    mutating func serve(_ file: SlotPart, _ binding: SlotPart) {
      handle(.loading(path: "/p/a.so", continuing: nil))
      handle(.attached(binding, by: .host, path: nil))
      handle(.loaded(file))
    }

    /// A worker is loaded, and serves over the module that it is advertised with.
    mutating func serve(_ file: SlotPart, _ binding: SlotPart, over module: SlotPart) {
      handle(.loading(path: "/p/a.so", continuing: nil))
      handle(.advertise(module, mayReplace: slot.binding != nil))
      handle(.attached(binding, by: .host, path: nil))
      handle(.registered(module))
      handle(.loaded(file))
    }
  }

  private let a = SlotPart("a")
  private let b = SlotPart("b")
  private let file = SlotPart("file")
  private let other = SlotPart("other")
  private let worker = SlotPart("worker", hasProcess: true)
  private let successor = SlotPart("successor", hasProcess: true)
  private let module = SlotPart("module")
  private let next = SlotPart("next")
  private let start = SlotPart("start")

  @Test("absent, starting, serving, retiring, absent")
  func life() {
    var life = Life()
    #expect(life.slot.phase == .absent)
    life.handle(.loading(path: "/p/b.so", continuing: nil))
    life.handle(.process(ProviderHosting(.starting, processID: 7)))
    #expect(life.slot.phase == .starting && life.slot.path == "/p/b.so")
    #expect(life.handle(.attached(a, by: .host, path: nil)).isEmpty)
    life.handle(.loaded(worker))
    #expect(life.slot.phase == .serving)
    #expect(life.handle(.putAway) == ["unload worker"])
    #expect(life.slot.hosting == nil)
    #expect(life.handle(.detached(a)) == ["books a", "retire a"])
    #expect(life.slot.phase == .retiring)
    life.handle(.gone(a))
    #expect(life.slot.phase == .absent && !life.slot.isInUse)
  }

  @Test("a reload: the new binding serves from the moment that it is attached, and the former file goes afterwards")
  func reload() {
    var life = Life()
    life.serve(file, a)
    life.handle(.loading(path: "/p/a.so", continuing: nil))
    #expect(life.slot.phase == .replacing && life.slot.binding === a)
    #expect(life.handle(.attached(b, by: .host, path: nil)) == ["replaced a", "books a"])
    #expect(life.handle(.loaded(other)) == ["unload file"])
    #expect(life.handle(.detached(a)) == ["retire a"])
    #expect(life.handle(.detached(a)).isEmpty)
    #expect(life.slot.phase == .serving && life.slot.binding === b && life.slot.file === other)
  }

  @Test("a file that turned bad does not take a good one's place")
  func failedReload() {
    var life = Life()
    life.serve(file, a)
    life.handle(.loading(path: "/p/a.so", continuing: nil))
    life.handle(.process(ProviderHosting(.starting, processID: 7)))
    #expect(life.handle(.failed(Self.refusal, nil)).isEmpty)
    #expect(life.slot.hosting == nil)
    #expect(life.handle(.refused(Self.refusal)).isEmpty)
    #expect(life.slot.phase == .serving && life.slot.binding === a && life.slot.file === file)
  }

  @Test("a failed file is refused until it is loaded again, or something else serves")
  func refused() {
    var life = Life()
    life.handle(.loading(path: "/p/a.so", continuing: nil))
    life.handle(.failed(Self.refusal, nil))
    #expect(life.slot.phase == .refused(Self.refusal))
    life.handle(.loading(path: "/p/a.so", continuing: nil))
    #expect(life.slot.refusal == nil)
    life.handle(.failed(Self.refusal, nil))
    life.handle(.attached(a, by: .itself, path: nil))
    #expect(life.slot.phase == .serving && life.slot.refusal == nil)
  }

  @Test("what another process of the same file serves is kept; what a file of this process advertised goes with it")
  func succession() {
    var life = Life()
    life.serve(worker, a, over: module)
    life.handle(.process(ProviderHosting(.running, processID: 7)))
    life.handle(.loading(path: "/p/a.so", continuing: nil))
    #expect(life.handle(.advertise(next, mayReplace: true)) == ["register next"])
    #expect(life.handle(.advertise(SlotPart("third"), mayReplace: true)) == ["refuse third"])
    #expect(life.handle(.attached(b, by: .host, path: nil)) == ["replaced a", "books a"])
    #expect(life.handle(.registered(next)) == ["deregister module"])
    #expect(life.handle(.detached(a)) == ["retire a"])
    life.handle(.process(ProviderHosting(.running, processID: 8)))
    #expect(life.handle(.loaded(successor)) == ["unload worker"])
    #expect(life.slot.advertised === next && life.slot.hosting?.processID == 8)
    // Into the host's process.
    life.handle(.loading(path: "/p/a.so", continuing: nil))
    life.handle(.attached(a, by: .host, path: nil))
    #expect(life.handle(.loaded(file)) == ["deregister next", "unload successor"])
    #expect(life.slot.advertised == nil && life.slot.hosting == nil)
  }

  @Test("a module that registers itself takes over only while the file of the one that serves is loaded anew")
  func yielding() {
    var life = Life()
    life.handle(.attached(a, by: .itself, path: "/p/a.so"))
    #expect(life.handle(.attached(b, by: .itself, path: nil)) == ["turn away b"])
    life.handle(.yields)
    #expect(life.slot.admits(.itself))
    #expect(life.handle(.attached(b, by: .itself, path: nil)) == ["replaced a", "books a"])
    #expect(!life.slot.admits(.itself))
    life.handle(.yields)
    life.handle(.keeps)
    #expect(!life.slot.admits(.itself) && life.slot.admits(.host))
  }

  @Test("disabled: the file goes, what a program advertises rests, and is made anew when it is enabled")
  func disabled() {
    var life = Life()
    life.handle(.advertise(module, mayReplace: false))
    life.handle(.attached(a, by: .host, path: nil))
    life.handle(.registered(module))
    #expect(life.handle(.advertise(next, mayReplace: false)) == ["refuse next"])
    #expect(life.handle(.disabled) == ["deregister module"])
    life.handle(.detached(a))
    #expect(!life.slot.isEnabled && life.slot.advertised === module && !life.slot.admits(.host))
    #expect(life.handle(.enabled) == ["renew module"])
    #expect(life.handle(.renewed(next, from: module)) == ["register next"])
    #expect(life.slot.advertised === next)
    // It could not be registered: it can be tried again.
    life.handle(.notRegistered(next))
    #expect(life.slot.advertised === module && life.handle(.enabled) == ["renew module"])
    #expect(life.handle(.renewed(next, from: module)) == ["register next"])
    #expect(life.handle(.registered(next)).isEmpty && life.slot.advertised === next)

    var other = Life()
    other.serve(file, a)
    #expect(other.handle(.disabled) == ["unload file"])
    #expect(other.handle(.enabled).isEmpty)
  }

  @Test("unloaded: it is not expected back, whatever its process says late")
  func unloaded() {
    var life = Life()
    life.serve(worker, a, over: module)
    life.handle(.process(ProviderHosting(.running, processID: 7)))
    #expect(life.handle(.unload) == ["deregister module", "unload worker"])
    life.handle(.detached(a))
    life.handle(.process(ProviderHosting(.restarting)))
    #expect(life.slot.phase == .unloaded && life.slot.hosting == nil)
    life.handle(.loading(path: "/p/a.so", continuing: nil))
    #expect(!life.slot.isUnloaded)
  }

  @Test(
    "a process that has died is awaited, quarantined or over",
    arguments: [
      (ProviderHosting.State.running, ProviderSlot<SlotPart>.Phase.restarting), (.restarting, .restarting),
      (.starting, .starting), (.quarantined, .quarantined), (.dead, .died),
    ])
  func process(state: ProviderHosting.State, phase: ProviderSlot<SlotPart>.Phase) {
    var life = Life()
    life.serve(worker, a, over: module)
    life.handle(.process(ProviderHosting(state)))
    #expect(life.slot.phase == .serving)
    #expect(life.handle(.unadvertise(module)) == ["deregister module"])
    life.handle(.detached(a))
    #expect(life.slot.phase == phase)
    life.handle(.attached(b, by: .host, path: nil))
    #expect(life.slot.phase == .serving)
  }

  @Test("a file whose own code does not return is late; its result is taken once, or abandoned")
  func late() {
    var life = Life()
    life.handle(.loading(path: "/p/a.so", continuing: nil))
    life.handle(.started(start))
    life.handle(.late(start, "its constructors have not returned"))
    #expect(life.slot.phase == .starting && life.slot.lateness == "its constructors have not returned")
    #expect(life.handle(.loading(path: "/p/a.so", continuing: start)).isEmpty)
    #expect(life.slot.start === start)
    life.handle(.returned(start))
    #expect(life.slot.start == nil && life.handle(.loaded(file)).isEmpty && life.slot.file === file)

    for (event, effects) in [
      (SlotEvent<SlotPart>.loading(path: "/p/a.so", continuing: nil), ["abandon start"]), (.givenUp, ["abandon start"]),
      (.disabled, ["abandon start"]), (.unload, ["abandon start"]), (.removed, ["abandon start"]),
    ] {
      var life = Life()
      life.serve(file, a)
      life.handle(.loading(path: "/p/a.so", continuing: nil))
      life.handle(.started(start))
      #expect(Array(life.handle(event).prefix(1)) == effects)
      #expect(life.slot.start == nil)
    }
  }

  @Test("an advertisement that can't be registered leaves what was advertised before")
  func notRegistered() {
    var life = Life()
    life.handle(.advertise(module, mayReplace: false))
    life.handle(.registered(module))
    life.handle(.advertise(next, mayReplace: true))
    life.handle(.notRegistered(next))
    #expect(life.slot.advertised === module)
    #expect(life.handle(.unadvertise(next)).isEmpty)
    #expect(life.handle(.unadvertise(module)) == ["deregister module"])
    #expect(life.slot.advertised == nil)
  }

  @Test("an advertiser is known for as long as it serves")
  func advertiser() {
    var life = Life()
    life.handle(.advertiser(ProviderHosting(.running, processID: 9, advertiser: "x")))
    #expect(life.slot.hosting == nil)
    life.handle(.advertise(module, mayReplace: false))
    life.handle(.advertiser(ProviderHosting(.running, processID: 9, advertiser: "x")))
    #expect(life.slot.phase == .absent && life.slot.hosting?.processID == 9)
    life.handle(.advertiserLeft(processID: 8))
    #expect(life.slot.hosting != nil)
    life.handle(.advertiserLeft(processID: 9))
    #expect(life.slot.hosting == nil)
  }

  @Test("a provider that was uninstalled retires what serves, and takes nothing more")
  func removed() {
    var life = Life()
    life.serve(file, a)
    #expect(life.handle(.removed) == ["unload file"])
    #expect(life.slot.isInUse)
    #expect(life.handle(.attached(b, by: .host, path: nil)) == ["turn away b"])
    #expect(life.handle(.advertise(module, mayReplace: true)) == ["refuse module"])
    #expect(life.handle(.detached(a)) == ["books a", "retire a"])
    life.handle(.gone(a))
    #expect(!life.slot.isInUse)
  }
}
