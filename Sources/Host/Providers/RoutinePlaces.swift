/// What a routine of a provider is to the others that run.
public enum RoutineRole: Sendable, Hashable {
  /// NextEx of a lookup, by the provider's handle.
  case next(UInt64)
  /// End of a lookup.
  case end(UInt64)
  case other
}

/// How many routines of one provider run at a time (nsp.md T5): who begins, and who waits, in the order of arrival.
///
/// An End may begin while the NextEx of its own handle runs, which it makes return: it takes no place of its own then, and has that
/// NextEx's once that has returned. Where Ends wait, it waits for the NextEx to return, and for a place.
struct RoutinePlaces: Sendable {
  private let capacity: Int
  private let endsWait: Bool
  private var taken = 0
  /// How many NextEx run for a handle, and how many Ends beside them.
  private var nexts: [UInt64: Int] = [:]
  private var guests: [UInt64: Int] = [:]
  private var waiting: [(number: UInt64, role: RoutineRole)] = []

  init(capacity: Int, endsWait: Bool) { (self.capacity, self.endsWait) = (capacity, endsWait) }

  /// A routine is to be called.
  /// - Parameter number: One that no other has that waits.
  /// - Returns: The numbers of those that begin now, perhaps this one's.
  mutating func arrive(_ number: UInt64, _ role: RoutineRole) -> [UInt64] {
    waiting.append((number, role))
    return admit()
  }

  /// A routine has returned.
  /// - Returns: The numbers of those that begin now.
  mutating func leave(_ role: RoutineRole) -> [UInt64] {
    switch role {
    case .next(let handle):
      nexts[handle] = nexts[handle].flatMap { $0 > 1 ? $0 - 1 : nil }
      taken -= 1
      if nexts[handle] == nil, let guests = guests.removeValue(forKey: handle) { taken += guests }
    case .end(let handle):
      if let count = guests[handle] { guests[handle] = count > 1 ? count - 1 : nil } else { taken -= 1 }
    case .other: taken -= 1
    }
    return admit()
  }

  /// One that waits is not called.
  /// - Returns: Whether it waited; false where it has begun meanwhile.
  mutating func giveUp(_ number: UInt64) -> Bool {
    guard let index = waiting.firstIndex(where: { $0.number == number }) else { return false }
    waiting.remove(at: index)
    return true
  }

  private mutating func admit() -> [UInt64] {
    var begun: [UInt64] = []
    // One that begins may be what another waits for: a NextEx lets in the End of its handle.
    while let index = waiting.firstIndex(where: { mayBegin($0.role) }) {
      let (number, role) = waiting.remove(at: index)
      begin(role)
      begun.append(number)
    }
    return begun
  }

  private func mayBegin(_ role: RoutineRole) -> Bool {
    if case .end(let handle) = role, nexts[handle] != nil { return !endsWait }
    return taken < capacity
  }

  private mutating func begin(_ role: RoutineRole) {
    switch role {
    case .next(let handle):
      taken += 1
      nexts[handle, default: 0] += 1
    case .end(let handle) where nexts[handle] != nil: guests[handle, default: 0] += 1
    case .end, .other: taken += 1
    }
  }
}
