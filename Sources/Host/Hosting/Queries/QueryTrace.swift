import CWinsock
import Providers
import QuerySets

/// Who was asked for one query, who was not and why, how long each took and with what status.
public struct QueryTrace: Sendable {
  public enum Verdict: Sendable, Equatable {
    case asked(status: WinsockError?, results: Int, took: Duration)
    /// It should have been asked, and could not be.
    case down
    case skipped(SkipReason)

    var text: String {
      switch self {
      case .asked(let status, let results, let took):
        "asked, \(results) records" + (status.map { ", then \($0.symbolicName)" } ?? "") + ", \(took)"
      case .down: "not asked, it is down"
      case .skipped(let reason): "skipped, \(reason.text)"
      }
    }
  }

  public struct Line: Sendable {
    /// Place in the catalog, from 1.
    public var order: Int
    public var provider: String
    public var id: GUID
    public var verdict: Verdict
    /// Why it could not answer, asked or not; nil where it could, or does not count.
    public var outage: Outage?
  }

  public var lines: [Line]
}

/// What one provider did for a query, as the query goes on.
struct LegRecord: Sendable {
  var status: WinsockError?
  var results = 0
  /// From each call to its completion, not to the return of the routine.
  var took: Duration = .zero
  /// When the call that is not completed yet was made.
  var calledAt: MonotonicTime?
  var wasAsked = false
  /// What it contributes to the answer, where there are no records; nil while that is open.
  var ending: Finding?

  /// What it has contributed so far; nil: nothing yet, or it was not reached.
  var finding: Finding? { results > 0 ? .found : ending }

  var outage: Outage? { if case .down(let outage)? = finding { outage } else { nil } }
  /// What `took` was at a moment, with the call that is under way.
  func took(at moment: MonotonicTime) -> Duration { took + (calledAt.map { moment - $0 } ?? .zero) }

  /// The call is complete, or given up.
  /// - Returns: How long it took.
  @discardableResult
  mutating func complete(at moment: MonotonicTime) -> Duration {
    let before = took
    took = took(at: moment)
    calledAt = nil
    return took - before
  }
}
