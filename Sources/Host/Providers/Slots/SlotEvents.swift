import QuerySets

/// What becomes known about a provider.
public enum SlotEvent<Binding: AnyObject & Sendable>: Sendable {
  // What the registrar does with modules.

  /// A module is being attached. With the path of the file that it is in, where that is known.
  case attached(Binding, by: SlotRegistrant, path: String?)
  /// A binding is being detached.
  case detached(Binding)
  /// The calls and the sessions of a binding have ended.
  case gone(Binding)
  /// The file that the module is in is known now.
  case located(String)

  // What becomes of files.

  /// A file is being loaded. With the start of it that goes on, where there is one; another one is not wanted any more.
  case loading(path: String, continuing: (any ProviderStart)?)
  /// Its own code runs in the host's process.
  case started(any ProviderStart)
  /// Its own code has not returned: why.
  case late(any ProviderStart, String)
  /// What its own code has come to is taken.
  case returned(any ProviderStart)
  case loaded(any ProviderFile)
  /// It could not be loaded.
  case failed(Refusal, FileVersion?)
  /// A look at the file shows that it can't be used. Nothing was tried.
  case refused(Refusal)
  /// The file is good, and this host does not load it.
  case listed(path: String)
  /// What is being loaded is not wanted any more.
  case givenUp
  /// The file that the binding came from is being loaded anew, or that is over.
  case yields, keeps

  // What operators, the plugin directories and the configuration want.

  case enabled
  case disabled
  /// The file is to be let go of: an operator's wish, or it is gone.
  case unload, putAway
  /// The provider is not installed any more.
  case removed
  case hostStops

  // What processes say.

  /// How the host's process for the file stands.
  case process(ProviderHosting)
  /// A program serves it.
  case advertiser(ProviderHosting)
  /// That program does not serve it any more.
  case advertiserLeft(processID: Int32)

  // Advertisements.

  /// It is to be served by a module. It is refused where another one serves that it may not replace, or is being registered.
  case advertise(any ProviderOffer, mayReplace: Bool)
  case registered(any ProviderOffer)
  case notRegistered(any ProviderOffer)
  /// A module that rested is made anew, to be registered again.
  case renewed(any ProviderOffer, from: any ProviderOffer)
  case unadvertise(any ProviderOffer)
}

/// What is to be done about it, in order.
public enum SlotEffect<Binding: AnyObject & Sendable>: Sendable {
  /// The binding does not serve: another one does, or the provider is disabled.
  case turnAway(Binding)
  /// Another binding serves in its place: what is open there may end before it is detached.
  case markReplaced(Binding)
  /// It does not serve any more: its books count for the provider.
  case keepBooks(Binding)
  /// Every session that it has is told, and `gone` is reported when that is over.
  case retire(Binding)

  /// The advertisement is refused: somebody else serves.
  case refuse(any ProviderOffer)
  /// To be registered; `registered` or `notRegistered` is reported.
  case register(any ProviderOffer)
  /// To be made anew; `renewed` is reported.
  case renew(any ProviderOffer)
  case deregister(any ProviderOffer)

  /// Nobody wants what this start comes to.
  case abandon(any ProviderStart)
  /// Its module is detached, its process is ended, its code is let go of.
  case unload(any ProviderFile)

  /// Whether it says no to whoever has come with the event.
  public var isRefusal: Bool {
    switch self {
    case .turnAway, .refuse: true
    case .markReplaced, .keepBooks, .retire, .register, .renew, .deregister, .abandon, .unload: false
    }
  }

  /// Whether it takes a module out of use.
  public var isOfModule: Bool { if case .deregister = self { true } else { false } }
}

extension ProviderSlot {
  public mutating func handle(_ event: Event) -> [Effect] {
    switch event {
    case .attached(let binding, let registrant, let path): return attach(binding, registrant, path)
    case .detached(let binding): return detach(binding)
    case .gone(let binding): former.removeAll { if case .retiring(binding) = $0 { true } else { false } }
    case .located(let path): self.path = path

    case .loading(let path, let continuing): return load(path, continuing)
    case .started, .late, .returned, .loaded, .failed, .givenUp: return handle(ofFile: event)
    case .refused(let refusal): refuse(refusal, refusedVersion)
    case .listed(let path): list(path)
    case .yields: if case .serving(let binding) = service { service = .yielding(binding) }
    case .keeps: if case .yielding(let binding) = service { service = .serving(binding) }

    case .enabled:
      isEnabled = true
      if case .resting(let module) = offer, binding == nil { return [.renew(module)] }
    case .disabled:
      isEnabled = false
      return letGo()
    case .unload:
      defer { if !isRemoved { source = .unloaded } }
      return letGo()
    case .putAway: return letGo()
    case .removed:
      defer { source = .removed }
      return letGo(ofAdvertised: true)
    case .hostStops: return letGo(ofAdvertised: true)

    case .process(let report): if isHosted { hosting = report }
    case .advertiser(let report): if advertised != nil { hosting = report }
    case .advertiserLeft(let processID):
      if let hosting, hosting.advertiser != nil, hosting.processID == processID { self.hosting = nil }

    case .advertise, .registered, .notRegistered, .renewed, .unadvertise: return handle(ofOffer: event)
    }
    return []
  }

  // MARK: Modules

  private mutating func attach(_ binding: Binding, _ registrant: SlotRegistrant, _ path: String?) -> [Effect] {
    guard admits(registrant) else { return [.turnAway(binding)] }
    let replaced = self.binding
    service = .serving(binding)
    if let path { self.path = path }
    guard let replaced else { return [] }
    former.append(.replaced(replaced))
    return [.markReplaced(replaced), .keepBooks(replaced)]
  }

  private mutating func detach(_ binding: Binding) -> [Effect] {
    if self.binding === binding {
      service = .none
      former.append(.retiring(binding))
      return [.keepBooks(binding), .retire(binding)]
    }
    let index = former.firstIndex { if case .replaced(binding) = $0 { true } else { false } }
    guard let index else { return [] }
    former[index] = .retiring(binding)
    return [.retire(binding)]
  }

  // MARK: Files

  /// A process of the host's may run for it.
  private var isHosted: Bool {
    switch source {
    case .loading, .loaded, .reloading: true
    case .none, .listed, .unloaded, .removed: false
    }
  }

  private mutating func load(_ path: String, _ continuing: (any ProviderStart)?) -> [Effect] {
    guard !isRemoved else { return [] }
    (self.path, isEnabled) = (path, true)
    if case .refused = service { service = .none }
    let (known, abandoned) = (loading, start === continuing ? nil : start)
    let next = abandoned == nil ? known ?? .begun : .begun
    switch source {
    case .loaded(let file): source = .reloading(file, next, over: advertised)
    case .reloading(let file, _, let over): source = .reloading(file, next, over: over)
    case .none, .listed, .unloaded, .loading, .removed: source = .loading(next)
    }
    return abandoned.map { [.abandon($0)] } ?? []
  }

  private mutating func setLoading(_ loading: Loading) {
    switch source {
    case .loading: source = .loading(loading)
    case .reloading(let file, _, let over): source = .reloading(file, loading, over: over)
    case .none, .listed, .unloaded, .loaded, .removed: break
    }
  }

  /// Nothing is being loaded any more.
  private mutating func endLoading() -> [Effect] {
    let abandoned = start
    switch source {
    case .loading: source = .none
    case .reloading(let file, _, _): source = .loaded(file)
    case .none, .listed, .unloaded, .loaded, .removed: break
    }
    return abandoned.map { [.abandon($0)] } ?? []
  }

  private mutating func handle(ofFile event: Event) -> [Effect] {
    switch event {
    case .started(let new):
      guard loading != nil else { return [.abandon(new)] }
      let abandoned = start === new ? nil : start
      setLoading(.running(new))
      return abandoned.map { [.abandon($0)] } ?? []
    case .late(let late, let reason): if start === late { setLoading(.late(late, reason)) }
    case .returned(let returned): if start === returned { setLoading(.begun) }
    case .loaded(let new): return take(new)
    case .failed(let refusal, let version):
      let abandoned = endLoading()
      // What was said of a process is about the one that did not get ready.
      if let file, !file.hasProcess { forgetProcess() }
      refuse(refusal, version)
      return abandoned
    case .givenUp: return endLoading()
    default: break
    }
    return []
  }

  /// What another process of the same file serves by now is not the former one's: it has taken over. In every other case the former file may
  /// have advertised what serves, and has not taken it back.
  private mutating func take(_ new: any ProviderFile) -> [Effect] {
    guard loading != nil else { return [.unload(new)] }
    let former = source
    var effects = endLoading()
    if case .reloading(let old, _, let over) = former {
      if !new.hasProcess, let over, advertised === over { effects += letGoOfAdvertised() }
      effects.append(.unload(old))
    }
    if !new.hasProcess { forgetProcess() }
    source = .loaded(new)
    return effects
  }

  private mutating func refuse(_ refusal: Refusal, _ version: FileVersion?) {
    if binding == nil { service = .refused(refusal, version) }
  }

  private mutating func list(_ path: String) {
    guard binding == nil else { return }
    self.path = path
    switch source {
    case .none, .listed, .unloaded: source = .listed
    case .loading, .loaded, .reloading, .removed: break
    }
  }

  // MARK: Leaving

  /// The file goes. What a program advertises stays, to be served again when the provider is enabled.
  private mutating func letGo(ofAdvertised goes: Bool = false) -> [Effect] {
    let (file, abandoned) = (file, start)
    var effects = goes || file != nil ? letGoOfAdvertised() : restAdvertised()
    if let abandoned { effects.append(.abandon(abandoned)) }
    if let file { effects.append(.unload(file)) }
    if isHosted {
      forgetProcess()
      source = .none
    }
    return effects
  }

  /// The host's, not that of a program which advertises.
  private mutating func forgetProcess() { if hosting?.advertiser == nil { hosting = nil } }

  private mutating func letGoOfAdvertised() -> [Effect] {
    defer { offer = .none }
    switch offer {
    case .none: return []
    case .making(let module), .made(let module), .resting(let module), .waking(_, let module): return [.deregister(module)]
    case .changing(let old, let new): return [.deregister(new), .deregister(old)]
    }
  }

  private mutating func restAdvertised() -> [Effect] {
    switch offer {
    case .none, .resting: return []
    case .making(let module), .made(let module), .waking(_, let module):
      offer = .resting(module)
      return [.deregister(module)]
    case .changing(let old, let new):
      offer = .resting(new)
      return [.deregister(new), .deregister(old)]
    }
  }

  // MARK: Advertisements

  private mutating func handle(ofOffer event: Event) -> [Effect] {
    switch event {
    case .advertise(let new, let mayReplace):
      guard !isRemoved, mayReplace || advertised == nil && binding == nil else { return [.refuse(new)] }
      return advertise(new)
    case .registered(let module):
      switch offer {
      case .making(module), .waking(_, to: module): offer = .made(module)
      case .changing(let old, module):
        offer = .made(module)
        return [.deregister(old)]
      case .none, .making, .made, .changing, .resting, .waking: break
      }
    case .notRegistered(let module):
      switch offer {
      case .making(module): offer = .none
      case .changing(let old, module): offer = .made(old)
      case .waking(let old, module): offer = .resting(old)
      case .none, .making, .made, .changing, .resting, .waking: break
      }
    case .renewed(let new, let old):
      guard isEnabled, binding == nil, case .resting(let resting) = offer, resting === old else { return [] }
      offer = .waking(from: old, to: new)
      return [.register(new)]
    case .unadvertise(let module): return advertised === module ? letGoOfAdvertised() : []
    default: break
    }
    return []
  }

  private mutating func advertise(_ new: any ProviderOffer) -> [Effect] {
    guard isEnabled else {
      // What rested before is not registered.
      offer = .resting(new)
      return []
    }
    switch offer {
    case .none, .resting: offer = .making(new)
    case .made(let old): offer = .changing(from: old, to: new)
    case .making, .changing, .waking: return [.refuse(new)]
    }
    return [.register(new)]
  }
}

/// What a slot holds is compared by identity.
private func ~= (pattern: AnyObject, value: AnyObject) -> Bool { pattern === value }
