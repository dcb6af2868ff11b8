import Synchronization

/// How much of something each user has, all processes together: one user's flood leaves the others what they need.
final class UserQuota: Sendable {
  private let maximum: Int
  private let unlimited: Set<UInt32>
  private let taken = Mutex<[UInt32: Int]>([:])

  init(_ maximum: Int, except unlimited: Set<UInt32>) {
    self.maximum = maximum
    self.unlimited = unlimited
  }

  /// Takes one, unless the user has them all. Each that was taken is given back once.
  func take(_ user: UInt32) -> Bool {
    if unlimited.contains(user) { return true }
    return taken.withLock { taken in
      guard taken[user, default: 0] < maximum else { return false }
      taken[user, default: 0] += 1
      return true
    }
  }

  func giveBack(_ user: UInt32) {
    if unlimited.contains(user) { return }
    taken.withLock { taken in
      let rest = taken[user, default: 0] - 1
      taken[user] = rest > 0 ? rest : nil
    }
  }
}
