import Dispatch
import Providers
import QuerySets
import Rundown
import Synchronization

/// The start of a file in this process: its constructors, its `NSPStartup` of version 1, its `NSPModuleLoad`.
///
/// All of that is the file's own code, which may never return. So it runs on a thread of the host, beside the other work of the host.
/// Constructors run one file at a time: the dynamic linker holds its lock meanwhile, and whoever loads or unloads another file in this
/// process waits for it. Nothing else of the host takes that lock.
final class FileStart: ProviderStart {
  /// What has been started.
  struct Started: Sendable {
    let object: SharedObject
    let version1: Version1Routines?
  }

  /// The file's own code that runs, or ran last.
  enum Stage: String, Sendable {
    case constructors = "its constructors have"
    case startup = "its NSPStartup has"
    case moduleLoad = "its NSPModuleLoad has"
  }

  private enum State {
    case running(Stage?)
    case ended(Result<Started, Refusal>)
    /// Nobody wants it any more.
    case abandoned
  }

  let candidate: Candidate
  let manifest: Manifest
  private let state = Locked<State>(.running(nil))
  private let arrived = DispatchSemaphore(value: 0)
  /// Whoever began it has left.
  private let isOverdue = Atomic<Bool>(false)

  /// One file at a time in the process, whichever host loads it.
  private static let linker = Turn()
  private static let linking = Locked<FileStart?>(nil)

  init(_ candidate: Candidate, _ manifest: Manifest) { (self.candidate, self.manifest) = (candidate, manifest) }

  /// Whether it is the start of these contents, as they are to be used.
  func isOf(_ candidate: Candidate, _ manifest: Manifest) -> Bool {
    self.candidate.version == candidate.version && self.manifest == manifest
  }

  var hasEnded: Bool { state.withLock { if case .ended = $0 { true } else { false } } }

  /// Starts the file on a thread of the host.
  /// - Parameters:
  ///   - start: Runs the file's code, and says which of it before. Called where it is wanted still.
  ///   - late: Called on that thread where whoever began it has left before it ended.
  ///   - dispose: Takes back what was started, where nobody wants it any more.
  func begin(
    _ start: @escaping @Sendable (FileStart) -> Result<Started, Refusal>, late: @escaping @Sendable () -> Void,
    dispose: @escaping @Sendable (Started) -> Void
  ) {
    HostThreads.run { [self] in
      let result = start(self)
      let isWanted = state.withLock { state in
        if case .abandoned = state { return false }
        state = .ended(result)
        return true
      }
      guard isWanted else {
        if case .success(let started) = result { dispose(started) }
        return
      }
      arrived.signal()
      if isOverdue.load(ordering: .sequentiallyConsistent) { late() }
    }
  }

  /// Runs the constructors when no other file's run; nil where nobody wants it any more by then.
  func link<Value>(_ load: () throws(Refusal) -> Value) throws(Refusal) -> Value? {
    try Self.linker.take { () throws(Refusal) in
      guard enter(.constructors) else { return nil }
      Self.linking.withLock { $0 = self }
      defer { Self.linking.withLock { $0 = nil } }
      return try load()
    }
  }

  /// Notes what runs next; false where nobody wants it any more.
  @discardableResult
  func enter(_ stage: Stage) -> Bool {
    state.withLock { state in
      if case .abandoned = state { return false }
      state = .running(stage)
      return true
    }
  }

  /// Waits until it has ended, for a while; not at all behind a file that others have waited for in vain. Nil when it has not.
  func wait(for patience: Duration) -> Result<Started, Refusal>? {
    let isBlocked = Self.linking.withLock { $0.map { $0 !== self && $0.isOverdue.load(ordering: .relaxed) } ?? false }
    _ = arrived.wait(timeout: .now() + (isBlocked ? .zero : patience).dispatchInterval)
    // Before the look: one of the two sees the other.
    isOverdue.store(true, ordering: .sequentiallyConsistent)
    return result
  }

  var result: Result<Started, Refusal>? { state.withLock { if case .ended(let result) = $0 { result } else { nil } } }

  /// Nobody wants it any more.
  /// - Returns: What is to be taken back, where it has ended.
  func abandon() -> Started? {
    let ended = state.withLock { state in
      defer { state = .abandoned }
      return if case .ended(.success(let started)) = state { started } else { nil as Started? }
    }
    return ended
  }

  /// Why it does not serve yet.
  var reason: String {
    let stage: Stage? = state.withLock { if case .running(let stage) = $0 { stage } else { nil } }
    if let stage { return "\(stage.rawValue) not returned" }
    let other = Self.linking.withLock { $0 }
    return other.map { "it waits for \($0.candidate.path): \($0.reason)" } ?? "it waits for another file"
  }
}
