import Dispatch
import Rundown

/// The places of one provider's routines, and the threads that wait for them. A turn, not a lock: nothing of the host is held.
public final class RoutineTurns: Sendable {
  private struct State {
    var places: RoutinePlaces
    var last: UInt64 = 0
    /// Signalled when a routine may begin.
    var tickets: [UInt64: DispatchSemaphore] = [:]
  }

  private let state: Locked<State>

  /// Nil where nothing is bounded.
  /// - Parameters:
  ///   - concurrency: How many routines run at a time; nil: as many as there are.
  ///   - endsWait: No End overlaps with the NextEx of its own handle.
  public init?(concurrency: Int?, endsWait: Bool) {
    guard concurrency != nil || endsWait else { return nil }
    state = Locked(State(places: RoutinePlaces(capacity: concurrency ?? .max, endsWait: endsWait)))
  }

  /// Waits until a routine may begin.
  /// - Returns: False when that was not so before the deadline: then it must not begin.
  public func enter(_ role: RoutineRole, until deadline: DispatchTime) -> Bool {
    let ticket = DispatchSemaphore(value: 0)
    let (number, begun) = state.withLock { state in
      state.last += 1
      state.tickets[state.last] = ticket
      return (state.last, Self.tickets(of: state.places.arrive(state.last, role), &state))
    }
    for one in begun { one.signal() }
    guard ticket.wait(timeout: deadline) == .timedOut else { return true }
    return state.withLock { state in
      // It may have begun at the last moment.
      guard state.places.giveUp(number) else { return true }
      state.tickets[number] = nil
      return false
    }
  }

  /// The routine has returned.
  public func leave(_ role: RoutineRole) {
    let begun = state.withLock { state in Self.tickets(of: state.places.leave(role), &state) }
    for one in begun { one.signal() }
  }

  private static func tickets(of numbers: [UInt64], _ state: inout State) -> [DispatchSemaphore] {
    numbers.compactMap { state.tickets.removeValue(forKey: $0) }
  }
}
