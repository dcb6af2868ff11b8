import Rundown
import Synchronization

/// What a change, or the wait for one, is about: a name as queries have it, or everything.
public struct ChangeSubject: Sendable, Hashable {
  /// Of the name, as it is compared; nil: everything. Two names may share one: who waits is told once too often then.
  private let key: Int?

  private init(key: Int?) { self.key = key }

  public static let everything = ChangeSubject(key: nil)

  /// One name: ASCII letters in any case, and without the root's dot.
  public init(name: String) {
    var hasher = Hasher()
    let bytes = name.utf8.count > 1 && name.utf8.last == UInt8(ascii: ".") ? name.utf8.dropLast() : name.utf8[...]
    for byte in bytes { hasher.combine((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte) }
    self.init(key: hasher.finalize())
  }

  /// What a query asks for: everything where it has no name, or a pattern in the place of one.
  public init(query name: String?) {
    guard let name, !name.isEmpty, !name.utf8.contains(where: { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }) else {
      self = .everything
      return
    }
    self.init(name: name)
  }

  /// Whether a change of this concerns somebody who waits for that.
  func concerns(_ other: ChangeSubject) -> Bool { key == nil || other.key == nil || key == other.key }
}

/// Counts changes of what a provider has, and tells those who want to know of the next one. Any thread may call. What it keeps of changes
/// does not grow with their number.
public final class ChangeSignal: Sendable {
  /// Who waits: told once, on the thread of whoever makes the change.
  public struct Ticket: Sendable, Hashable {
    fileprivate let subject: ChangeSubject
    fileprivate let number: UInt64
  }

  fileprivate struct Waiter: Sendable { let action: @Sendable () -> Void }

  fileprivate struct State {
    var waiting: [ChangeSubject: [UInt64: Waiter]] = [:]
    var last: UInt64 = 0
    /// The last change that was of everything, or that is not remembered for itself any more.
    var lastOfEverything: UInt64 = 0
    /// The changes of single names since then, the oldest first.
    var recent: [(number: UInt64, subject: ChangeSubject)] = []
  }

  private static let remembered = 64

  private let changes = Atomic<UInt64>(0)
  private let complete = Atomic<Bool>(false)
  private let state = Locked<State>(State())

  public init() {}

  public var count: UInt64 { changes.load(ordering: .acquiring) }

  /// Whether the provider has promised to say every change: it need not be asked whether there was one.
  public var isComplete: Bool { complete.load(ordering: .acquiring) }
  public func promise() { complete.store(true, ordering: .releasing) }

  /// Something has changed. Calls those who wait.
  public func advance(_ subject: ChangeSubject = .everything) {
    let waiting: [Waiter] = state.withLock { state in
      let number = changes.add(1, ordering: .acquiringAndReleasing).newValue
      guard subject != .everything else {
        (state.lastOfEverything, state.recent) = (number, [])
        defer { state.waiting = [:] }
        return state.waiting.values.flatMap(\.values)
      }
      if state.recent.count == Self.remembered { state.lastOfEverything = state.recent.removeFirst().number }
      state.recent.append((number, subject))
      return [subject, .everything].flatMap { state.waiting.removeValue(forKey: $0).map { Array($0.values) } ?? [] }
    }
    for waiter in waiting { waiter.action() }
    ChangeBell.registrations.ring()
  }

  /// Whether something that concerns the subject has changed after `seen`.
  public func hasChanged(_ subject: ChangeSubject, after seen: UInt64) -> Bool {
    count != seen && state.withLock { $0.hasChanged(subject, after: seen) }
  }

  /// Has something done at the next change of the subject after `seen`. Nil, and it is the caller's to do, where there was one already.
  public func next(
    _ subject: ChangeSubject = .everything, after seen: UInt64, _ action: @escaping @Sendable () -> Void
  ) -> Ticket? {
    state.withLock { state in
      guard !state.hasChanged(subject, after: seen) else { return nil }
      state.last += 1
      state.waiting[subject, default: [:]][state.last] = Waiter(action: action)
      return Ticket(subject: subject, number: state.last)
    }
  }

  /// Lets go of what was to be done. It may be under way.
  public func cancel(_ ticket: Ticket) {
    let former = state.withLock { state -> Waiter? in
      let former = state.waiting[ticket.subject]?.removeValue(forKey: ticket.number)
      if state.waiting[ticket.subject]?.isEmpty == true { state.waiting[ticket.subject] = nil }
      return former
    }
    // Let go of behind the lock.
    withExtendedLifetime(former) {}
  }
}

extension ChangeSignal.State {
  fileprivate func hasChanged(_ subject: ChangeSubject, after seen: UInt64) -> Bool {
    lastOfEverything > seen || recent.contains { $0.number > seen && $0.subject.concerns(subject) }
  }
}
