import CWinsock
import QuerySets
import Rundown

/// What the host is told of this file's provider: whether it can answer at all (`NSPHostSetFailing`). A provider that cannot be made says so
/// by itself; one that is damaged later says so here.
public enum Condition {
  private struct State {
    var id: GUID?
    var reason: String?
    /// Why it cannot be made, by the one who found out.
    var explanation: String?
    /// It has said itself that it fails, since the making began.
    var hasComplained = false
  }

  private static let state = Locked<State>(State())

  /// It can answer nothing, for this reason. Any thread; repeated, it costs nothing.
  public static func fails(_ reason: String) { set(reason) }

  /// It can answer again.
  public static func answers() { set(nil) }

  /// Why the provider can't be made, said by the one who finds out; the host is told where making it fails.
  public static func explain(_ reason: String) { state.withLock { $0.explanation = reason } }

  /// The provider is about to be made.
  static func begin(_ id: GUID) { state.withLock { ($0.id, $0.explanation, $0.hasComplained) = (id, nil, false) } }

  /// It was made, or not.
  static func end(_ failure: WinsockError?) {
    let (explanation, hasComplained) = state.withLock { ($0.explanation.take(), $0.hasComplained) }
    guard let failure else {
      if !hasComplained { answers() }
      return
    }
    if let explanation { return fails(explanation) }
    if !hasComplained { fails("it could not be made ready: \(failure.meaning) (\(failure.symbolicName))") }
  }

  private static func set(_ reason: String?) {
    // Under the lock: none overtakes a later one. The host does not call back.
    state.withLock { state in
      state.hasComplained = reason != nil
      guard var id = state.id, state.reason != reason else { return }
      state.reason = reason
      if let reason { _ = NSPHostSetFailing(&id, reason) } else { _ = NSPHostSetFailing(&id, nil) }
    }
  }
}
