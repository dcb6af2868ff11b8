/// Whom the threads of a poll serve, and whom one more may serve.
///
/// A user whose requests wait for providers may hold as many threads as it leaves free, those of all other users counted: the first one half of them,
/// the second half of the rest, and so on. However many requests some users have that nobody answers, there is a thread for the next user. Others
/// of a user's requests wait in the queue.
struct ThreadShares {
  private let maximum: Int
  /// Users for whom threads are kept besides, and who have no share.
  private let privileged: Set<UInt32>
  /// By the number of the thread; `nobody` for one that serves none of those who have a share.
  private var served: [UInt32] = []
  private var unused: [Int] = []
  private var ordinary = 0

  private static let nobody = UInt32.max

  /// - Parameter maximum: How many threads serve everybody.
  init(maximum: Int, privileged: Set<UInt32>) { (self.maximum, self.privileged) = (maximum, privileged) }

  /// There is one thread more. Its number is that of no other as long as it lives.
  mutating func addThread() -> Int {
    if let number = unused.popLast() { return number }
    served.append(Self.nobody)
    return served.count - 1
  }

  mutating func removeThread(_ thread: Int) { unused.append(thread) }

  /// The host's own descriptors are no user's.
  private func isPrivileged(_ user: UInt32) -> Bool { user == Self.nobody || privileged.contains(user) }

  /// Whether a thread may serve a user now.
  func mayServe(_ user: UInt32) -> Bool {
    if isPrivileged(user) { return true }
    let free = maximum - ordinary
    guard free > 0 else { return false }
    // Nobody can have more than that as long as half of them are free: as a rule nothing is counted.
    return ordinary <= free || served.count { $0 == user } <= free
  }

  mutating func serve(_ user: UInt32, on thread: Int) {
    guard !isPrivileged(user) else { return }
    served[thread] = user
    ordinary += 1
  }

  /// The thread has done what it was to do.
  mutating func rest(_ thread: Int) {
    guard served[thread] != Self.nobody else { return }
    served[thread] = Self.nobody
    ordinary -= 1
  }
}
