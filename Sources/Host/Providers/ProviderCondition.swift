import QuerySets
import Rundown

/// Whether a provider can answer at all: by its own word, by its last startup, and by whether its process is there. Any thread.
public final class ProviderCondition: Sendable {
  private struct State {
    var reported: String?
    var failedStartup: WinsockError?
    var isGone = false
  }

  private let state = Locked<State>(State())

  init() {}

  /// The provider says why it cannot answer; nil: it can again.
  /// - Returns: Whether that is news.
  @discardableResult
  public func report(_ reason: String?) -> Bool {
    let isNews = state.withLock { state in
      defer { state.reported = reason }
      return state.reported != reason
    }
    if isNews { ChangeBell.providers.ring() }
    return isNews
  }

  /// As a reason is kept: one line of a bounded length, and never nothing.
  public static func reason(_ text: String) -> String {
    var line = String.UnicodeScalarView()
    var size = 0
    for scalar in text.unicodeScalars {
      let isControl = scalar.properties.generalCategory == .control
      size += UTF8.width(scalar)
      if size > 512 { break }
      line.append(isControl ? " " : scalar)
    }
    return line.isEmpty ? "it gives no reason" : String(line)
  }

  /// What its last startup came to; nil: it succeeded.
  public func started(_ failure: WinsockError?) {
    // That it refuses one user says nothing of the others.
    if failure == .accessDenied { return }
    let isNews = state.withLock { state in
      defer { state.failedStartup = failure }
      return state.failedStartup != failure
    }
    if isNews { ChangeBell.providers.ring() }
  }

  /// Its process has gone: what was under way comes to nothing.
  public func markGone() {
    state.withLock { $0.isGone = true }
    ChangeBell.providers.ring()
  }

  public var isGone: Bool { state.withLock { $0.isGone } }

  /// What it says of itself; nil where it does not complain.
  public var reported: String? { state.withLock { $0.reported } }

  /// Why it counts as failing; nil where it does not.
  public var failure: String? {
    let (reported, startup) = state.withLock { ($0.reported, $0.failedStartup) }
    return reported ?? startup.map { "its startup failed: \($0.meaning) (\($0.symbolicName))" }
  }
}
