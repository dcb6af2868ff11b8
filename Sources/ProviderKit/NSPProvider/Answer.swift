import CWinsock
import QuerySets
import Rundown
import Synchronization

/// What a provider answers one query with: records, one after the other, then how it ended.
///
/// They may be known at once, be found on the thread that asks for the first one, come later from any thread, or come in pieces as they
/// are asked for. The host asks for one record at a time; whoever asks for one that is not there yet is answered when it comes, or with `WSA_E_CANCELLED` when the query ends.
public final class Answer: Sendable {
  private let state: Locked<State>

  private struct State {
    /// Not delivered yet; the first one stays until it has found room.
    var records: ArraySlice<QuerySet>
    /// How it ends, once that is known.
    var ending: WinsockError?
    /// Finds everything, when the first record is asked for.
    var find: (@Sendable () throws(WinsockError) -> [QuerySet])?
    /// Begins to find the next piece, each time that there is nothing left to deliver; not while a piece is being found.
    var more: (@Sendable (Answer) -> Void)?
    var isFinding = false
    var waiting: WaitingNext?
    var cancel: (@Sendable () -> Void)?
    var isOver = false
  }

  /// A Next of the host's, which owns the block until it is completed.
  struct WaitingNext: Sendable {
    let call: AsyncHandle
    nonisolated(unsafe) let length: LPDWORD
    nonisolated(unsafe) let block: LPWSAQUERYSET2W
  }

  /// Everything is known.
  public init(_ records: [QuerySet]) { state = Locked(State(records: records[...], ending: .noMore)) }

  /// Found on the thread that asks for the first record, which may be kept: for providers whose manifest says `blocking`.
  public init(whenAsked find: @escaping @Sendable () throws(WinsockError) -> [QuerySet]) {
    state = Locked(State(records: [], find: find))
  }

  /// Comes later, by `deliver` and `finish`.
  /// - Parameter cancel: The query has ended before: nobody wants it any more.
  public init(cancel: (@Sendable () -> Void)? = nil) { state = Locked(State(records: [], cancel: cancel)) }

  /// Comes in pieces.
  /// - Parameters:
  ///   - first: What is known already.
  ///   - more: Somebody waits for the next piece: begins to find it, and does not wait for that. One `deliver`, of one record or more,
  ///     or `finish` follows, from any thread.
  ///   - cancel: The query has ended before: nobody wants the rest.
  public init(_ first: [QuerySet], more: @escaping @Sendable (Answer) -> Void, cancel: (@Sendable () -> Void)? = nil) {
    state = Locked(State(records: first[...], more: more, cancel: cancel))
  }

  // MARK: The provider's side

  /// Any thread. What comes for a query that has ended is dropped.
  public func deliver(_ records: [QuerySet]) { take(records, nil) }

  /// Nothing more comes.
  public func finish(_ ending: WinsockError = .noMore) { take([], ending) }

  /// All of it at once.
  public func finish(with records: [QuerySet], _ ending: WinsockError = .noMore) { take(records, ending) }

  private func take(_ records: [QuerySet], _ ending: WinsockError?) {
    let completed: (WaitingNext, WinsockError)? = state.withLock { state in
      guard !state.isOver, state.ending == nil else { return nil }
      state.records += records
      state.ending = ending
      state.isFinding = false
      if ending != nil { (state.more, state.cancel) = (nil, nil) }
      guard let waiting = state.waiting, let outcome = Self.next(&state, waiting) else { return nil }
      state.waiting = nil
      return (waiting, outcome)
    }
    if let (waiting, outcome) = completed { waiting.call.complete(outcome) }
  }

  // MARK: The host's side

  func next(_ next: WaitingNext, skipsKept: Bool) {
    let find = state.withLock { $0.find.take() }
    if let find {
      do throws(WinsockError) { finish(with: try find()) } catch { finish(error) }
    }
    let (outcome, more): (WinsockError?, (@Sendable (Answer) -> Void)?) = state.withLock { state in
      if state.isOver { return (.cancelled, nil) }
      if skipsKept { state.records = state.records.dropFirst() }
      if let outcome = Self.next(&state, next) { return (outcome, nil) }
      state.waiting = next
      guard let more = state.more, !state.isFinding else { return (nil, nil) }
      state.isFinding = true
      return (nil, more)
    }
    if let outcome { next.call.complete(outcome) }
    more?(self)
  }

  /// Writes the next record into the block. Nil where none is there yet.
  private static func next(_ state: inout State, _ next: WaitingNext) -> WinsockError? {
    guard let record = state.records.first else { return state.ending }
    let room = UnsafeMutableRawBufferPointer(start: next.block, count: Int(next.length.pointee))
    do throws(QuerySetError) {
      try record.pack(as: .v2, into: room)
    } catch {
      if case .bufferTooSmall(let needed) = error { next.length.pointee = DWORD(needed) }
      if error.winsockError != .fault { state.records = state.records.dropFirst() }
      return error.winsockError
    }
    state.records = state.records.dropFirst()
    return .success
  }

  /// The query is over. A Next that waits is told so; the provider may stop.
  func end() {
    let (waiting, cancel) = state.withLock { state in
      state.isOver = true
      state.records = []
      (state.find, state.more) = (nil, nil)
      return (state.waiting.take(), state.cancel.take())
    }
    waiting?.call.complete(.cancelled)
    cancel?()
  }
}

/// A call of the host's that is completed exactly once: later attempts count for nothing.
final class AsyncHandle: Sendable {
  private nonisolated(unsafe) let handle: HANDLE?
  private let isComplete = Atomic<Bool>(false)

  init(_ handle: HANDLE?) { self.handle = handle }

  func complete(_ error: WinsockError) {
    guard !isComplete.exchange(true, ordering: .acquiringAndReleasing) else { return }
    _ = WSAProviderCompleteAsyncCall(handle, error.rawValue)
  }
}
