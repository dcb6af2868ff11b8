import Rundown

/// What a lookup of a user's keeps, counted against the user until the lookup has ended: its request, and the blocks that grow with its records.
final class LookupCharge: Sendable {
  private struct State {
    var bytes = 0
    var isOver = false
  }

  private let quotas: UserQuotas
  private let user: UInt32
  private let state: Locked<State>

  /// - Parameter bytes: Taken already.
  init(_ quotas: UserQuotas, _ user: UInt32, bytes: Int) {
    (self.quotas, self.user) = (quotas, user)
    state = Locked(State(bytes: bytes))
  }

  /// Takes so much more, unless the user would have too much.
  func grow(by bytes: Int) -> Bool {
    state.withLock { state in
      guard !state.isOver, quotas.kept.take(user, bytes) else { return false }
      state.bytes += bytes
      return true
    }
  }

  /// The lookup has ended.
  func giveBack() {
    let bytes = state.withLock { state in
      defer { state = State(isOver: true) }
      return state.bytes
    }
    quotas.kept.giveBack(user, bytes)
  }
}
