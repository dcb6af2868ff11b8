import CDynamicLinker
import CLastWords
import CMappedFiles
import Dispatch
import Glibc
import Rundown

/// The providers' files of this process, from their loading until they are unmapped.
///
/// A file that nobody calls any more is unmapped, unless something would still run its code: a thread that it has left behind, or what is called
/// later. Its destructors may put an end to that, and so they run first. What is left then keeps the file, which is looked at again in the
/// pauses below, when another file leaves, and when somebody asks what is kept.
public enum MappedFiles {
  /// A file that nobody calls any more and that can't be unmapped.
  public struct Kept: Sendable {
    public let number: UInt64
    public let path: String
    /// What would run its code.
    public let cause: String
    public let since: MonotonicTime
  }

  struct File: @unchecked Sendable {
    // Unchecked: what the pointers lead to is the dynamic linker's, or not changed.
    let path: String
    let handle: UnsafeMutableRawPointer
    /// Freed when the file is closed.
    let mark: UnsafeMutablePointer<CChar>?
    let base: UInt
    let isUnloadable: Bool
    let identity: UnsafeRawPointer?
    fileprivate var phase = Phase.open
    /// Its destructors were run, or it has none: nil while nobody has looked.
    fileprivate var hasRunDestructors: Bool?
    /// Left when it is closed, or kept.
    fileprivate let settled = DispatchGroup()

    init(
      path: String, handle: UnsafeMutableRawPointer, mark: UnsafeMutablePointer<CChar>?, base: UInt, isUnloadable: Bool
    ) {
      (self.path, self.handle, self.mark, self.base, self.isUnloadable) = (path, handle, mark, base, isUnloadable)
      identity = nsp_file_identity(handle)
      settled.enter()
    }
  }

  fileprivate enum Phase {
    case open
    /// Nobody calls it any more; it has not been looked at yet.
    case left
    case kept(cause: String, since: MonotonicTime)
    case closing

    var isOpen: Bool {
      if case .open = self { true } else { false }
    }

    var isKept: Bool {
      if case .kept = self { true } else { false }
    }

    var waits: Bool {
      switch self {
      case .left, .kept: true
      case .open, .closing: false
      }
    }
  }

  private struct State {
    var last: UInt64 = 0
    var files: [UInt64: File] = [:]
  }

  private static let state = Locked<State>(State())

  static func add(_ file: File) -> UInt64 {
    state.withLock { state in
      state.last += 1
      state.files[state.last] = file
      return state.last
    }
  }

  /// After how long a file that can't be unmapped is looked at again. Threads that were told to end are on their way, and what is left on the
  /// stack of a thread may look like a call. After the last one nothing wakes the process for it.
  private static let pauses: [Duration] = [.seconds(1), .seconds(3), .seconds(9), .seconds(27)]

  /// Nobody calls the file any more. Does not wait: a thread of the host's unmaps it, since this may be one of the provider's.
  static func leave(_ number: UInt64) {
    state.withLock { $0.files[number]?.phase = .left }
    HostThreads.run { look(for: number, then: pauses[...]) }
  }

  private static func look(for number: UInt64, then pauses: ArraySlice<Duration>) {
    look()
    // One that is being closed has soon gone, or waits for what its destructors have not ended.
    guard let pause = pauses.first, state.withLock({ $0.files[number] != nil }) else { return }
    HostTimers.after(pause) { HostThreads.run { look(for: number, then: pauses.dropFirst()) } }
  }

  private enum Looking {
    case idle
    case active
    /// Another file has left meanwhile, or is to be looked at again.
    case again
  }

  private static let looking = Locked<Looking>(.idle)

  /// Has what can be unmapped unmapped, by other threads of the host. One look at a time: each sees every file.
  private static func look() {
    let isFirst = looking.withLock { looking in
      defer { looking = looking == .idle ? .active : .again }
      return looking == .idle
    }
    guard isFirst else { return }
    repeat {
      lookOnce()
    } while looking.withLock { looking in
      defer { looking = looking == .again ? .active : .idle }
      return looking == .again
    }
  }

  private static func lookOnce() {
    for (number, cause) in waiting() {
      if cause != nil, let file = takeForDestructors(number) {
        HostThreads.run {
          let haveRun = SharedObject.marked(file.mark, "a destructor") { nsp_run_destructors(file.identity) != 0 }
          state.withLock { state in
            state.files[number]?.hasRunDestructors = haveRun
            state.files[number]?.phase = .left
          }
          look()
        }
      } else if let file = settle(number, cause) {
        HostThreads.run { file.close(number) }
      }
    }
  }

  /// The file, where its destructors have not run yet, for the one who runs them.
  private static func takeForDestructors(_ number: UInt64) -> File? {
    state.withLock { state in
      guard let file = state.files[number], case .left = file.phase, file.hasRunDestructors == nil else { return nil }
      state.files[number]?.phase = .closing
      return file
    }
  }

  /// Whether a file is one that stays mapped without what its destructors have ended.
  /// - Parameter name: Another one each time: under which the file was mapped, where it has just been. One that is being closed by another
  ///   thread may have had the same addresses.
  static func isOver(_ handle: UnsafeMutableRawPointer, openedAs name: String) -> Bool {
    if nsp_file_is_named(handle, name) != 0 { return false }
    let identity = nsp_file_identity(handle)
    return state.withLock { state in state.files.values.contains { $0.identity == identity && $0.hasRunDestructors == true } }
  }

  /// Every file that waits, and what would run its code.
  private static func waiting(areKept: Bool = false) -> [(number: UInt64, cause: String?)] {
    let files = state.withLock { $0.files }
    let waiting = files.filter { areKept ? $0.value.phase.isKept : $0.value.phase.waits }.sorted { $0.key < $1.key }
    let open = files.values.filter { $0.phase.isOpen || !$0.isUnloadable }.map(\.identity)
    let looked = waiting.map { $0.value.isUnloadable ? $0.value.identity : nil }
    return withUnsafeTemporaryAllocation(of: nsp_use.self, capacity: looked.count) { uses in
      nsp_files_in_use(looked, looked.count, open, open.count, uses.baseAddress)
      return waiting.enumerated().map { place, file in
        // What stays mapped for good runs on safely.
        (file.key, looked[place] == nil ? nil : cause(uses[place]))
      }
    }
  }

  private static func cause(_ use: nsp_use) -> String? {
    let text = withUnsafeBytes(of: use.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    return text.isEmpty ? nil : text.printable
  }

  /// The file, where it is to be closed now, by whoever gets it.
  private static func settle(_ number: UInt64, _ cause: String?) -> File? {
    defer { ChangeBell.modules.ring() }
    return state.withLock { state in
      guard let file = state.files[number], file.phase.waits else { return nil }
      switch (cause, file.phase) {
      case (nil, let phase):
        state.files[number]?.phase = .closing
        var closing = file
        closing.phase = phase
        return closing
      case (let cause?, .kept(_, let since)): state.files[number]?.phase = .kept(cause: cause, since: since)
      case (let cause?, _):
        state.files[number]?.phase = .kept(cause: cause, since: .now)
        file.settled.leave()
      }
      return nil
    }
  }

  fileprivate static func remove(_ number: UInt64) {
    state.withLock { _ = $0.files.removeValue(forKey: number) }
    ChangeBell.modules.ring()
  }

  /// What is kept now, the oldest first. Looks again before; does not call out.
  public static var kept: [Kept] {
    // What was left just now is looked at by whoever runs its destructors.
    for (number, cause) in waiting(areKept: true) {
      if let file = settle(number, cause) { HostThreads.run { file.close(number) } }
    }
    return state.withLock { state in
      state.files.sorted { $0.key < $1.key }.compactMap { number, file in
        guard case .kept(let cause, let since) = file.phase else { return nil }
        return Kept(number: number, path: file.path, cause: cause, since: since)
      }
    }
  }

  /// Waits until every file of a path but one has left, or is kept.
  /// - Parameter current: The one that is not waited for.
  /// - Returns: Why one of them is still mapped; nil where none is.
  public static func cause(of path: String, besides current: UInt64?, within patience: Duration) -> String? {
    let former = state.withLock { $0.files.filter { $0.key != current && $0.value.path == path } }
    let (seconds, attoseconds) = patience.components
    let deadline = DispatchTime.now() + .seconds(Int(seconds)) + .nanoseconds(Int(attoseconds / 1_000_000_000))
    for (_, file) in former where file.settled.wait(timeout: deadline) == .timedOut { return "it is being let go" }
    return kept.first { former[$0.number] != nil }?.cause
  }
}

extension MappedFiles.File {
  /// Runs the file's destructors, and unmaps it. Calls out.
  fileprivate func close(_ number: UInt64) {
    nsp_linking_begins()
    SharedObject.marked(mark, "a destructor") { _ = dlclose(handle) }
    nsp_linking_ends()
    free(mark)
    // Libraries may keep it, and then it is as it was.
    if let start = UnsafeRawPointer(bitPattern: base) {
      let now: UnsafeMutableRawPointer? = nsp_mapping_base(start)
      if now.map({ UnsafeRawPointer($0) }) != start { nsp_last_words_forget(start) }
    }
    MappedFiles.remove(number)
    if case .left = phase { settled.leave() }
  }
}
