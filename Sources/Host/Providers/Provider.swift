import CLastWords
import CWinsock
import Dispatch
import Glibc
import QuerySets
import Rundown
import Synchronization

/// A provider that can be called, which is one binding of the engine: its identity, its routines, the count of calls
/// in progress and of its sessions.
///
/// Lives as long as anyone may still call it, and keeps its file mapped as long.
public final class Provider: Sendable {
  public let id: GUID
  public let name: String
  public var nameSpace: NameSpace { manifest.nameSpace }
  public let manifest: Manifest
  public let routines: any ProviderRoutines
  /// Version 1 of it: service classes, and where `routines` has nothing better, lookups too.
  public let version1: (any ServiceClassRoutines)?
  /// So many questions about classes at a time, on account of queries.
  public let classQuestions = DispatchSemaphore(value: 4)
  /// Calls about classes that it has not returned from, and that nobody waits for any more.
  public let lateClassCalls = Atomic<Int>(0)
  /// Advanced by every registration that it takes, and when it says that something has changed (`NSPHostChanged`).
  public let changes = ChangeSignal()
  public let ledger = SessionLedger()
  /// Whether it can answer at all.
  public let condition = ProviderCondition()
  /// Entered by every lookup from Begin to End and by every registration; closed first when the provider is detached.
  public let calls = RundownGate()
  /// Entered by every session from its startup to its final call.
  public let gate = RundownGate()
  /// How long one call may take before the client is answered without it.
  public let deadline: Duration
  /// The user whose clients alone it serves, root's and the host's own not among them; nil: everybody's (nsp.md §5.8).
  public let scope: UInt32?

  /// For what the process says when it dies in one of its routines.
  private nonisolated(unsafe) let mark: UnsafeMutablePointer<CChar>?

  private let keptFile: Locked<SharedObject?>
  /// Its routines are code of this process.
  private let isHere: Atomic<Bool>
  /// For `ProcessState`.
  private let notedCall = Atomic<UInt64>(0)
  /// Where so many of its routines may run at a time (nsp.md T5), or an End waits for a NextEx.
  private let turns: RoutineTurns?
  private let provedSlow: Atomic<Bool>

  public static let defaultDeadline: Duration = .seconds(5)
  /// A routine that keeps the caller's thread for longer is called on a thread of the host's from then on.
  private static let patienceNanoseconds: Int64 = 50_000_000

  private let replaced = Atomic<Bool>(false)

  public init(
    manifest: Manifest, routines: any ProviderRoutines, version1: (any ServiceClassRoutines)? = nil, file: SharedObject?,
    scope: UInt32? = nil
  ) {
    self.version1 = version1
    self.scope = scope
    id = manifest.id
    name = manifest.displayName
    deadline = manifest.deadline ?? Self.defaultDeadline
    let turns = RoutineTurns(concurrency: manifest.concurrency, endsWait: manifest.endsWait)
    self.turns = turns
    mark = strdup(manifest.displayName.printable)
    // Who waits for a turn is on a thread that its own caller can leave behind.
    provedSlow = Atomic(manifest.isBlocking || turns != nil)
    self.manifest = manifest
    self.routines = routines
    keptFile = Locked(file)
    isHere = Atomic(file != nil)
  }

  deinit { free(mark) }

  /// The file that the routines are in, if it is known.
  public var file: SharedObject? { keptFile.withLock { $0 } }

  /// Keeps the file of a module that registered itself while the file was still being loaded.
  public func keep(_ file: SharedObject) {
    keptFile.withLock { $0 = file }
    isHere.store(true, ordering: .relaxed)
  }

  /// Whether its Begin and SetServiceEx are given what is known of a query's class.
  public var takesClasses: Bool { routines.traits.contains(.takesClasses) }

  /// Whether version 1 routines perform its lookups.
  public var isVersion1: Bool { routines.traits.contains(.version1) }

  /// It says that something has changed: under a name, or, with the promise to say so each time, anywhere. Calls those who wait.
  public func said(_ name: String?) {
    if name == nil { changes.promise() }
    changes.advance(name.map { ChangeSubject(name: $0) } ?? .everything)
  }

  /// Another provider serves in its place: lookups that are open may finish before it is detached.
  public var isReplaced: Bool { replaced.load(ordering: .acquiring) }
  func markReplaced() { replaced.store(true, ordering: .releasing) }

  /// Whether its routines may keep a thread: said by the manifest, or seen.
  public var isBlocking: Bool { provedSlow.load(ordering: .relaxed) }

  /// Calls a routine in this provider's turn and learns whether it keeps threads waiting. Calls out: hold no lock.
  /// - Parameters:
  ///   - entry: Which one; a stub of the host's needs no turn.
  ///   - isWanted: Asked when the turn has come.
  /// - Returns: Nil, and nothing was called, when no place was free before the deadline or nobody wants it any more.
  public func call<Result>(
    _ entry: ProviderRoutine? = nil, as role: RoutineRole = .other, while isWanted: () -> Bool = { true },
    _ routine: (any ProviderRoutines) -> Result
  ) -> Result? {
    guard let turns = turns(for: entry) else { return isWanted() ? timed(entry, routine) : nil }
    let (seconds, attoseconds) = deadline.components
    let end = DispatchTime.now() + .seconds(Int(seconds)) + .nanoseconds(Int(attoseconds / 1_000_000_000))
    guard turns.enter(role, until: end) else { return nil }
    defer { turns.leave(role) }
    return isWanted() ? timed(entry, routine) : nil
  }

  /// Calls a routine that ends a lookup or a session, which must be called, however long its turn does not come: whoever waits is on a
  /// thread that its own caller can leave behind.
  @discardableResult
  public func end<Result>(
    _ entry: ProviderRoutine? = nil, as role: RoutineRole = .other, _ routine: (any ProviderRoutines) -> Result
  ) -> Result {
    guard let turns = turns(for: entry) else { return timed(entry, routine) }
    _ = turns.enter(role, until: .distantFuture)
    defer { turns.leave(role) }
    return timed(entry, routine)
  }

  /// Reads what the provider has delivered: a death meanwhile is not one of its routine.
  public func reading<Result>(_ read: () -> Result) -> Result {
    let outer = nsp_mark_reading(mark)
    defer { nsp_mark_restore(outer) }
    return read()
  }

  private func turns(for entry: ProviderRoutine?) -> RoutineTurns? {
    if let entry, routines.entry(entry) == .stub { return nil }
    return turns
  }

  private func timed<Result>(_ entry: ProviderRoutine?, _ routine: (any ProviderRoutines) -> Result) -> Result {
    let watches = ProcessState.watches && isHere.load(ordering: .relaxed)
    if watches { ProcessState.called(name, notedCall) }
    let start = MonotonicTime.coarse
    nsp_thread_visit()
    let outer = nsp_mark_provider(mark)
    let result = routine(routines)
    nsp_mark_restore(outer)
    let end = MonotonicTime.coarse
    if watches {
      ProcessState.called(name, notedCall)
      ProcessState.returned(at: end, isFinal: entry == .startup || entry == .cleanup || entry == .clientSessionRundown)
    }
    if end.nanoseconds - start.nanoseconds > Self.patienceNanoseconds {
      provedSlow.store(true, ordering: .relaxed)
    }
    return result
  }
}

/// How many sessions a provider was given and how they ended. `startups == cleanups + rundowns + live`, always.
public final class SessionLedger: Sendable {
  public struct Figures: Sendable, Equatable {
    public var startups = 0
    public var failedStartups = 0
    public var cleanups = 0
    public var rundowns = 0
    public var live = 0
    /// Calls that it has not answered within its deadline.
    public var lateCalls = 0
    public init() {}

    public var isBalanced: Bool { startups == cleanups + rundowns + live }

    public static func + (left: Figures, right: Figures) -> Figures {
      var sum = left
      sum.startups += right.startups
      sum.failedStartups += right.failedStartups
      sum.cleanups += right.cleanups
      sum.rundowns += right.rundowns
      sum.live += right.live
      sum.lateCalls += right.lateCalls
      return sum
    }
  }

  public enum Entry: Sendable {
    case startup
    case failedStartup
    case cleanup
    case rundown
    case lateCall
  }

  private let state = Locked<Figures>(Figures())

  public init() {}

  public var figures: Figures { state.withLock { $0 } }

  public func record(_ entry: Entry) {
    state.withLock { figures in
      switch entry {
      case .startup:
        figures.startups += 1
        figures.live += 1
      case .lateCall: figures.lateCalls += 1
      case .failedStartup: figures.failedStartups += 1
      case .cleanup:
        figures.cleanups += 1
        figures.live -= 1
      case .rundown:
        figures.rundowns += 1
        figures.live -= 1
      }
    }
  }
}
