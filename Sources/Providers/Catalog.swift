import CWinsock
import QuerySets
import Rundown

/// The ordered list of installed providers (nsp.md §1): who exists, in which order they are asked, and who can be called now.
///
/// Any thread may call; readers get a snapshot that later changes don't touch.
public final class Catalog: Sendable {
  public struct Entry: Sendable {
    public var manifest: Manifest
    /// Empty: the provider can only be advertised.
    public var path: String
    public var isActive: Bool
    /// What came with its installation (`ProviderSpecific`); nil for none.
    public var blob: [UInt8]?
    /// The callable provider; nil while nobody advertises it, or where its file failed to load.
    public var provider: Provider?
    public var failure: Refusal?
    /// How it stands with the process that it runs in; nil where that is the host's own.
    public var hosting: ProviderHosting?
    /// Why its file, which is loaded into the host's own process, does not serve yet; nil where it is not being loaded there.
    public var start: String?
    /// Somebody asked for its file to be unloaded: it comes back when it is enabled or reloaded, or when the file changes.
    public var isUnloaded = false
    /// Its file was found good, and this host does not load it.
    public var isListed = false
    /// Which contents of the file could not be loaded: they are not tried again.
    public var failedVersion: FileVersion?
    /// The books of providers that served this entry before, so that those of the whole host still balance.
    var closedBooks = SessionLedger.Figures()
    var openBooks: [SessionLedger] = []

    public var id: GUID { manifest.id }

    /// The process that the host runs it in is not there, and is to come back, or its file is being loaded: how it stands. Nil where it is
    /// there, or is not expected.
    public var awaitedProcess: ProviderHosting.State? {
      guard provider == nil, failure == nil, !isUnloaded else { return nil }
      if start != nil { return .starting }
      guard let hosting, hosting.advertiser == nil, hosting.state != .dead else { return nil }
      // Between its end and what the host makes of it.
      return hosting.state == .running ? .restarting : hosting.state
    }

    /// How its process has died; nil where it has not, or is started again.
    public var death: String? { hosting.flatMap { $0.state == .dead ? $0.lastDeath : nil } }

    /// What the sessions of this entry came to, over every provider that served it.
    public var figures: SessionLedger.Figures {
      var books = openBooks
      if let provider { books.append(provider.ledger) }
      return books.reduce(closedBooks) { $0 + $1.figures }
    }

    /// Keeps the books of a provider that leaves. One with a session that still drains stays open.
    mutating func keepBooks(of ledger: SessionLedger) {
      openBooks.append(ledger)
      openBooks.removeAll { book in
        let figures = book.figures
        guard figures.live == 0 else { return false }
        closedBooks = closedBooks + figures
        return true
      }
    }
  }

  public enum Rejection: Error, Equatable, Sendable {
    case alreadyInstalled
    case invalid
  }

  private let state = Locked<[Entry]>([])
  /// Of who is installed, active, and when asked.
  public let changes = CatalogChanges()

  public init() {}

  public var entries: [Entry] { state.withLock { $0 } }

  public subscript(id: GUID) -> Entry? { state.withLock { $0.first { $0.manifest.id == id } } }

  /// Adds an entry at the end; new entries are active unless their manifest says otherwise.
  public func install(
    _ manifest: Manifest, path: String = "", blob: [UInt8]? = nil, provider: Provider? = nil, failure: Refusal? = nil
  ) throws(Rejection) {
    let isNew = state.withLock { entries in
      guard !entries.contains(where: { $0.id == manifest.id }) else { return false }
      entries.append(
        Entry(
          manifest: manifest, path: path, isActive: manifest.isEnabled, blob: blob, provider: provider, failure: failure))
      return true
    }
    if !isNew { throw .alreadyInstalled }
    changes.advance()
  }

  /// Makes a provider the one that serves its id, at the place of the entry that has the id, or at the end.
  /// - Parameter mayReplace: Whether it may take over from one that serves now.
  /// - Returns: false when another one serves and may not be replaced.
  public func serve(_ provider: Provider, mayReplace: Bool) -> Bool {
    state.withLock { entries in
      guard let index = entries.firstIndex(where: { $0.id == provider.id }) else {
        entries.append(Entry(manifest: provider.manifest, path: "", isActive: true, provider: provider))
        return true
      }
      if let former = entries[index].provider {
        guard mayReplace else { return false }
        former.markReplaced()
        entries[index].keepBooks(of: former.ledger)
      }
      entries[index].provider = provider
      entries[index].manifest = provider.manifest
      entries[index].failure = nil
      return true
    }
  }

  /// Takes a provider out of its entry, unless another has taken over; the entry stays, with the books of the provider.
  public func unbind(_ provider: Provider) {
    state.withLock { entries in
      guard let index = entries.firstIndex(where: { $0.provider === provider }) else { return }
      entries[index].keepBooks(of: provider.ledger)
      entries[index].provider = nil
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

  /// Notes what became of an entry's file.
  public func update(_ id: GUID, _ change: (inout Entry) -> Void) {
    state.withLock { entries in
      guard let index = entries.firstIndex(where: { $0.id == id }) else { return }
      change(&entries[index])
    }
  }

  public func setActive(_ isActive: Bool, id: GUID) -> Bool {
    let (isThere, isNews) = state.withLock { entries in
      guard let index = entries.firstIndex(where: { $0.id == id }) else { return (false, false) }
      defer { entries[index].isActive = isActive }
      return (true, entries[index].isActive != isActive)
    }
    if isNews { changes.advance() }
    return isThere
  }

  /// Puts the entries in the order of their ranks; those of one rank stay as they are among themselves.
  public func arrange(by rank: (Entry) -> (Int, Int)) {
    let isNews = state.withLock { entries in
      let ranked = entries.enumerated().map { (rank($0.element), $0.offset) }
      let sorted = ranked.sorted { ($0.0.0, $0.0.1, $0.1) < ($1.0.0, $1.0.1, $1.1) }
      entries = sorted.map { entries[$0.1] }
      return !sorted.map(\.1).elementsEqual(0..<sorted.count)
    }
    if isNews { changes.advance() }
  }

  public func uninstall(id: GUID) -> Bool {
    let isThere = state.withLock { entries in
      guard let index = entries.firstIndex(where: { $0.id == id }) else { return false }
      entries.remove(at: index)
      return true
    }
    if isThere { changes.advance() }
    return isThere
  }
}
