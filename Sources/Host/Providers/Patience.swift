import Glibc

/// Looks for something a moment before it is slept for, as long as that pays: to sleep and be woken on another processor costs more than
/// to serve a request. After a moment in vain the next few are slept for at once, after the next one twice as many.
public struct Patience: Sendable {
  private var sleeps = 0
  private var next = Self.fewSleeps

  private let moment: Int64
  private static let fewSleeps = 8
  private static let manySleeps = 1024

  /// - Parameter moment: How long it looks, in nanoseconds.
  public init(moment: Int64 = 20_000) { self.moment = moment }

  /// What `find` finds, or 0.
  public mutating func look(_ find: () -> Int) -> Int {
    guard sleeps == 0 else {
      sleeps -= 1
      return 0
    }
    let end = MonotonicTime.now.nanoseconds + moment
    repeat {
      let found = find()
      if found > 0 {
        next = Self.fewSleeps
        return found
      }
      // Whoever would send may be waiting for this very processor.
      sched_yield()
    } while MonotonicTime.now.nanoseconds < end
    sleeps = next
    next = min(next * 2, Self.manySleeps)
    return 0
  }
}
