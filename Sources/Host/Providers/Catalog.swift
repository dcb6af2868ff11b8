import CWinsock
import QuerySets
import Rundown

/// The ordered list of installed providers (nsp.md §1): who exists, in which order they are asked, and who can be called now.
///
/// Each has a slot, which owns its state: events are reported to it, and whoever reports one performs what follows. Any thread may call;
/// readers get a snapshot that later changes don't touch.
public final class Catalog: Sendable {
  /// How a provider stands at one moment: a view of its slot.
  public struct Entry: Sendable {
    public let manifest: Manifest
    /// The file; empty: the provider can only be advertised.
    public let path: String
    public let isActive: Bool
    /// What came with its installation (`ProviderSpecific`); nil for none.
    public let blob: [UInt8]?
    /// The callable provider; nil while nobody advertises it, or where its file failed to load. Whoever keeps an entry lets go of it when the
    /// provider is detached.
    public var provider: Provider?
    public let failure: Refusal?
    /// How it stands with the process that it runs in; nil where that is the host's own.
    public let hosting: ProviderHosting?
    /// Its file was found good, and this host does not load it.
    public let isListed: Bool
    /// The process that the host runs it in is not there, and is to come back, or its file is being loaded: how it stands. Nil where it is
    /// there, or is not expected.
    public let awaitedProcess: ProviderHosting.State?
    /// Why its file, which is loaded into the host's own process, does not serve yet; nil where it is not being loaded there.
    public let start: String?
    fileprivate let books: Books

    public var id: GUID { manifest.id }

    /// How its process has died; nil where it has not, or is started again.
    public var death: String? { hosting.flatMap { $0.state == .dead ? $0.lastDeath : nil } }

    /// What the sessions of this entry came to, over every provider that served it.
    public var figures: SessionLedger.Figures { books.figures(with: provider?.ledger) }
  }

  /// What the sessions of one provider came to under those that served it before, so that the books of the whole host still balance.
  struct Books: Sendable {
    private var closed = SessionLedger.Figures()
    private var open: [SessionLedger] = []

    init() {}

    /// Keeps the books of a provider that leaves. One with a session that still drains stays open.
    mutating func keep(_ ledger: SessionLedger) {
      open.append(ledger)
      open.removeAll { book in
        let figures = book.figures
        guard figures.live == 0 else { return false }
        closed = closed + figures
        return true
      }
    }

    func figures(with current: SessionLedger?) -> SessionLedger.Figures {
      let figures = open.reduce(closed) { $0 + $1.figures }
      return current.map { figures + $0.figures } ?? figures
    }
  }

  /// A provider with its slot, which keeps what is loaded for it. Not to be held on to.
  public struct Member: Sendable {
    public internal(set) var manifest: Manifest
    let blob: [UInt8]?
    public internal(set) var slot: ProviderSlot<Provider>
    private var books = Books()

    init(_ manifest: Manifest, path: String = "", isEnabled: Bool, blob: [UInt8]? = nil) {
      (self.manifest, self.blob, slot) = (manifest, blob, ProviderSlot(path: path, isEnabled: isEnabled))
    }

    public var id: GUID { manifest.id }

    var entry: Entry {
      let awaited: ProviderHosting.State? =
        switch slot.phase {
        case .starting: .starting
        case .restarting: .restarting
        case .quarantined: .quarantined
        case .absent, .listed, .unloaded, .refused, .died, .serving, .replacing, .retiring: nil
        }
      return Entry(
        manifest: manifest, path: slot.path, isActive: slot.isEnabled, blob: blob, provider: slot.binding,
        failure: slot.refusal, hosting: slot.hosting, isListed: slot.isListed, awaitedProcess: awaited,
        start: slot.lateness, books: books)
    }

    /// Passes an event on, and does what follows for the catalog itself. Answers the rest.
    fileprivate mutating func handle(_ event: Event) -> [Effect] {
      let effects = slot.handle(event)
      return effects.filter { effect in
        switch effect {
        case .markReplaced(let provider): provider.markReplaced()
        case .keepBooks(let provider): books.keep(provider.ledger)
        default: return true
        }
        return false
      }
    }
  }

  public typealias Event = ProviderSlot<Provider>.Event
  public typealias Effect = ProviderSlot<Provider>.Effect

  public enum Rejection: Error, Equatable, Sendable {
    case alreadyInstalled
    case invalid
  }

  private struct State {
    private(set) var listed: [Member] = []
    /// What readers get: of each of those that are listed.
    private(set) var entries: [Entry] = []
    /// Files whose modules register themselves, before one has the file's own id; and what was uninstalled, until all that served it is gone.
    private(set) var aside: [Member] = []

    /// Brings an event to the slot that it concerns. Nil where there is none.
    mutating func handle(_ event: Event, of id: GUID) -> [Effect]? {
      let isConcerned: (Member) -> Bool =
        switch event {
        // Another one may have the id by now.
        case .detached(let provider), .gone(let provider): { $0.slot.has(provider) }
        default: { $0.id == id && !$0.slot.isRemoved }
        }
      if let index = listed.firstIndex(where: isConcerned) { return change(index) { $0.handle(event) } }
      guard let index = aside.firstIndex(where: isConcerned) else { return nil }
      let effects = aside[index].handle(event)
      if !aside[index].slot.isInUse { aside.remove(at: index) }
      return effects
    }

    mutating func change<Result>(_ index: Int, _ change: (inout Member) -> Result) -> Result {
      defer { entries[index] = listed[index].entry }
      return change(&listed[index])
    }

    func index(of id: GUID) -> Int? { listed.firstIndex { $0.id == id } }

    mutating func append(_ member: Member) {
      listed.append(member)
      entries.append(member.entry)
    }

    mutating func setAside(_ member: Member) { aside.append(member) }

    /// Gives a place in the list to what is aside.
    mutating func place(_ id: GUID) -> Bool {
      guard let index = aside.firstIndex(where: { $0.id == id && !$0.slot.isRemoved }) else { return false }
      append(aside.remove(at: index))
      return true
    }

    mutating func remove(_ index: Int) -> Member {
      entries.remove(at: index)
      return listed.remove(at: index)
    }

    mutating func arrange(_ order: [Int]) {
      listed = order.map { listed[$0] }
      entries = order.map { entries[$0] }
    }
  }

  private let state = Locked<State>(State())
  /// Of who is installed, active, and when asked.
  public let changes = CatalogChanges()

  public init() {}

  public var entries: [Entry] { state.withLock { $0.entries } }

  public subscript(id: GUID) -> Entry? { state.withLock { $0.entries.first { $0.manifest.id == id } } }

  /// The slots: of the entries, and of what has no place in the list.
  public var members: [Member] { state.withLock { $0.listed + $0.aside } }

  /// The slot of an id.
  public func member(_ id: GUID) -> Member? {
    state.withLock { state in
      state.index(of: id).map { state.listed[$0] } ?? state.aside.first { $0.id == id && !$0.slot.isRemoved }
    }
  }

  /// The first slot that is as wanted.
  public func member(where isWanted: (Member) -> Bool) -> Member? {
    state.withLock { $0.listed.first(where: isWanted) ?? $0.aside.first(where: isWanted) }
  }

  /// Adds an entry at the end; new entries are active unless their manifest says otherwise.
  public func install(_ manifest: Manifest, path: String = "", blob: [UInt8]? = nil) throws(Rejection) {
    let isNew = state.withLock { state in
      guard state.index(of: manifest.id) == nil else { return false }
      if !state.place(manifest.id) {
        state.append(Member(manifest, path: path, isEnabled: manifest.isEnabled, blob: blob))
      }
      return true
    }
    if !isNew { throw .alreadyInstalled }
    changes.advance()
  }

  /// Makes a slot for a file that has no place in the list: its modules register themselves.
  public func setAside(_ manifest: Manifest, path: String) {
    state.withLock { state in
      let isKnown = (state.listed + state.aside).contains { $0.id == manifest.id && !$0.slot.isRemoved }
      if !isKnown { state.setAside(Member(manifest, path: path, isEnabled: true)) }
    }
  }

  /// Tells the slot of a provider what has happened. Nothing comes of it where there is none.
  /// - Returns: What the caller has to do, in order.
  public func report(_ event: Event, to id: GUID) -> [Effect] {
    let (effects, isNews) = state.withLock { state in
      let wasActive = state.index(of: id).map { state.listed[$0].slot.isEnabled }
      let effects = state.handle(event, of: id)
      return (effects ?? [], state.index(of: id).map { state.listed[$0].slot.isEnabled } != wasActive)
    }
    if isNews { changes.advance() } else { ChangeBell.providers.ring() }
    return effects
  }

  /// Whether a module may serve an id.
  public func admits(_ id: GUID, _ registrant: SlotRegistrant) -> Bool { member(id)?.slot.admits(registrant) ?? true }

  /// A module is being attached: to the slot of its id, or to a new one at the end.
  /// - Returns: Whether it serves.
  public func attach(_ provider: Provider, by registrant: SlotRegistrant) -> Bool {
    defer { ChangeBell.providers.ring() }
    return state.withLock { state in
      if state.index(of: provider.id) == nil, !state.place(provider.id) {
        state.append(Member(provider.manifest, isEnabled: true))
      }
      guard let index = state.index(of: provider.id) else { return false }
      return state.change(index) { member in
        let effects = member.handle(.attached(provider, by: registrant, path: provider.file?.path))
        if effects.contains(where: \.isRefusal) { return false }
        member.manifest = provider.manifest
        return true
      }
    }
  }

  /// What its file says by now of an entry that is not loaded.
  public func describe(_ manifest: Manifest) {
    state.withLock { state in
      guard let index = state.index(of: manifest.id) else { return }
      state.change(index) { $0.manifest = manifest }
    }
  }

  /// Enters the calls of a provider, or of the one that has taken over from it since. Nil when nobody serves the id any more.
  public func enter(_ provider: Provider) -> Provider? {
    var current = provider
    while !current.calls.enter() {
      guard let successor = self[current.id]?.provider, successor !== current else { return nil }
      current = successor
    }
    return current
  }

  /// Puts the entries in the order of their ranks; those of one rank stay as they are among themselves.
  public func arrange(by rank: (Entry) -> (Int, Int)) {
    let isNews = state.withLock { state in
      let ranked = state.entries.enumerated().map { (rank($0.element), $0.offset) }
      let sorted = ranked.sorted { ($0.0.0, $0.0.1, $0.1) < ($1.0.0, $1.0.1, $1.1) }
      state.arrange(sorted.map(\.1))
      return !sorted.map(\.1).elementsEqual(0..<sorted.count)
    }
    if isNews { changes.advance() }
  }

  /// Takes an entry out of the list. Its slot stays until what has served it is gone.
  /// - Returns: What the caller has to do, in order; nil where it is not there.
  public func uninstall(id: GUID) -> [Effect]? {
    let effects: [Effect]? = state.withLock { state in
      guard let index = state.index(of: id) else { return nil }
      var member = state.remove(index)
      let effects = member.handle(.removed)
      if member.slot.isInUse { state.setAside(member) }
      return effects
    }
    if effects != nil { changes.advance() }
    return effects
  }
}
