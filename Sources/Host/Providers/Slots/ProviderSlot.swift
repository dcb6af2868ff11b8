import QuerySets

/// A file that is loaded for a provider: in the host's process, or in one of its own.
public protocol ProviderFile: AnyObject, Sendable {
  /// Whether it runs in a process of its own.
  var hasProcess: Bool { get }
}

/// The start of a file in the host's process, while the file's own code runs.
public protocol ProviderStart: AnyObject, Sendable {}

/// The module that a provider is advertised with.
public protocol ProviderOffer: AnyObject, Sendable {}

/// The life of one provider as a table, the only owner of its state. It knows no file, no thread and no lock: whoever holds it reports events, and
/// performs the effects after the lock is released. See `SlotEvent` and `SlotEffect`.
///
/// What it holds is opaque, and compared by identity. The binding is what lookups call.
public struct ProviderSlot<Binding: AnyObject & Sendable>: Sendable {
  public typealias Event = SlotEvent<Binding>
  public typealias Effect = SlotEffect<Binding>

  /// Who answers lookups.
  enum Service: Sendable {
    case none
    /// Nobody: what was tried last has failed. With the contents of the file that are not tried again.
    indirect case refused(Refusal, FileVersion?)
    case serving(Binding)
    /// The binding serves. The file that it came from is being loaded anew: a module that registers itself may take over.
    case yielding(Binding)
  }

  /// Where the code is.
  enum Source: Sendable {
    case none
    /// The file is good, and this host does not load it.
    case listed
    /// An operator had it unloaded: it comes back when it is enabled or reloaded, or when the file changes.
    case unloaded
    case loading(Loading)
    case loaded(any ProviderFile)
    /// A file is loaded, and another one is to take its place. With what the provider was advertised with when that began.
    case reloading(any ProviderFile, Loading, over: (any ProviderOffer)?)
    /// The entry is gone. What has served it may still be there.
    case removed
  }

  /// How far a file has come that is being loaded.
  enum Loading: Sendable {
    case begun
    /// Its own code runs in the host's process.
    case running(any ProviderStart)
    /// The same, for longer than the host waits: why it does not serve yet.
    case late(any ProviderStart, String)
  }

  /// By what it is advertised.
  enum Offer: Sendable {
    case none
    /// It is being registered.
    case making(any ProviderOffer)
    case made(any ProviderOffer)
    /// Another one takes its place, once that is registered.
    case changing(from: any ProviderOffer, to: any ProviderOffer)
    /// It is not registered, because the provider is disabled.
    case resting(any ProviderOffer)
    /// One that rested is made anew, and is being registered.
    case waking(from: any ProviderOffer, to: any ProviderOffer)
  }

  /// What has served, and is to leave.
  enum Former: Sendable {
    /// Another binding serves in its place.
    case replaced(Binding)
    /// It is detached: its calls and sessions end.
    case retiring(Binding)

    var binding: Binding {
      switch self {
      case .replaced(let binding), .retiring(let binding): binding
      }
    }
  }

  /// The file that serves it; empty: it can only be advertised.
  public internal(set) var path: String
  public internal(set) var isEnabled: Bool
  /// What was said last of the process that it runs in.
  public internal(set) var hosting: ProviderHosting?
  var service = Service.none
  var source = Source.none
  var offer = Offer.none
  var former: [Former] = []

  public init(path: String = "", isEnabled: Bool = true) { (self.path, self.isEnabled) = (path, isEnabled) }

  // MARK: Views

  /// Where a provider is in its life, in one word. Whether it is enabled is another matter: a module that has registered itself stays bound.
  public enum Phase: Sendable, Equatable {
    case absent
    case listed
    case unloaded
    case refused(Refusal)
    case starting
    /// Its process has died, and is started again.
    case restarting
    /// Its process has died too often.
    case quarantined
    /// Its process has died, and is not started again.
    case died
    case serving
    /// It serves, and what takes its place is on its way.
    case replacing
    /// It serves nobody any more; its calls and sessions end.
    case retiring
  }

  public var phase: Phase {
    if binding != nil {
      if case .reloading = source { return .replacing }
      return .serving
    }
    if let refusal { return .refused(refusal) }
    switch source {
    case .unloaded: return .unloaded
    case .loading(.late), .reloading(_, .late, _): return .starting
    case .none, .listed, .loading, .loaded, .reloading, .removed: break
    }
    if let hosting, hosting.advertiser == nil {
      switch hosting.state {
      case .starting: return .starting
      // Between its end and what the host makes of it.
      case .running, .restarting: return .restarting
      case .quarantined: return .quarantined
      case .dead: return .died
      }
    }
    if case .listed = source { return .listed }
    return former.isEmpty ? .absent : .retiring
  }

  /// What lookups call.
  public var binding: Binding? {
    switch service {
    case .serving(let binding), .yielding(let binding): binding
    case .none, .refused: nil
    }
  }

  /// Why nothing serves it.
  public var refusal: Refusal? { if case .refused(let refusal, _) = service { refusal } else { nil } }

  /// The contents of the file that could not be loaded.
  public var refusedVersion: FileVersion? { if case .refused(_, let version) = service { version } else { nil } }

  /// The file that is loaded.
  public var file: (any ProviderFile)? {
    switch source {
    case .loaded(let file), .reloading(let file, _, _): file
    case .none, .listed, .unloaded, .loading, .removed: nil
    }
  }

  var loading: Loading? {
    switch source {
    case .loading(let loading), .reloading(_, let loading, _): loading
    case .none, .listed, .unloaded, .loaded, .removed: nil
    }
  }

  /// The file's own code that runs in the host's process, or has run, and whose result is not taken yet.
  public var start: (any ProviderStart)? {
    switch loading {
    case .running(let start)?, .late(let start, _)?: start
    case .begun?, nil: nil
    }
  }

  /// Why a file that is loaded into the host's process does not serve yet.
  public var lateness: String? { if case .late(_, let reason)? = loading { reason } else { nil } }

  /// The module that it is advertised with, or will be when it is enabled.
  public var advertised: (any ProviderOffer)? {
    switch offer {
    case .none: nil
    case .making(let offer), .made(let offer), .resting(let offer), .changing(_, let offer), .waking(_, let offer): offer
    }
  }

  public var isListed: Bool { if case .listed = source { true } else { false } }
  public var isUnloaded: Bool { if case .unloaded = source { true } else { false } }

  /// Whether something is there or on its way, or still leaves.
  public var isInUse: Bool {
    switch source {
    case .loading, .loaded, .reloading: return true
    case .none, .listed, .unloaded, .removed: return binding != nil || advertised != nil || !former.isEmpty
    }
  }

  var isRemoved: Bool { if case .removed = source { true } else { false } }

  /// Whether a binding has served here, and is not gone.
  public func has(_ binding: Binding) -> Bool { self.binding === binding || former.contains { $0.binding === binding } }

  /// Whether a module may serve. One that registered itself may not take over from another one, unless that one's file is being loaded anew.
  public func admits(_ registrant: SlotRegistrant) -> Bool {
    guard isEnabled, !isRemoved else { return false }
    switch (service, registrant) {
    case (_, .host), (.none, _), (.refused, _), (.yielding, _): return true
    case (.serving, .itself): return false
    }
  }
}

/// Who has registered a module.
public enum SlotRegistrant: Sendable {
  /// The host, for a file that it has loaded or for an advertisement that it has accepted.
  case host
  /// Code of a file, or of the program that the host is part of.
  case itself
}
