import RandomSequences
import Testing

@testable import HostDaemon

/// How the threads of a host are shared among users whose requests nobody answers.
@Suite struct ThreadSharesTests {
  /// How many threads a user gets that wants them all.
  private func fill(_ shares: inout ThreadShares, for user: UInt32) -> Int {
    var count = 0
    while count < 10_000, shares.mayServe(user) {
      shares.serve(user, on: shares.addThread())
      count += 1
    }
    return count
  }

  @Test("the first user gets half of the threads, the next one half of the rest, and so on; there is one left for nine of them")
  func halves() {
    var shares = ThreadShares(maximum: 512, privileged: [0])
    let counts = (1...9).map { fill(&shares, for: $0) }
    #expect(counts[0] == 257 && counts[1] == 128 && counts[2] == 64)
    #expect(counts.allSatisfy { $0 > 0 } && counts.reduce(0, +) <= 512, "\(counts)")
    #expect(fill(&shares, for: 0) == 10_000, "root has threads besides")
    #expect(fill(&shares, for: .max) == 10_000, "so have the host's own descriptors")
  }

  @Test("what one user gives back another one gets")
  func givenBack() {
    var shares = ThreadShares(maximum: 8, privileged: [])
    let threads = (0..<5).map { _ in shares.addThread() }
    for thread in threads { shares.serve(1, on: thread) }
    #expect(!shares.mayServe(1) && shares.mayServe(2))
    for thread in threads.prefix(3) { shares.rest(thread) }
    // At rest twice is at rest.
    shares.rest(threads[0])
    #expect(shares.mayServe(1) && fill(&shares, for: 2) == 4)
  }

  @Test("random turns: nobody has more than it leaves free, and the count is that of the threads at work")
  func random() {
    let seed = UInt64.random(in: .min ... .max)
    var (chance, shares) = (SplitMix(state: seed), ThreadShares(maximum: 64, privileged: [0]))
    var serving: [Int: UInt32] = [:]
    for _ in 0..<20_000 {
      if Bool.random(using: &chance), let (thread, _) = serving.randomElement(using: &chance) {
        shares.rest(thread)
        shares.removeThread(thread)
        serving[thread] = nil
        continue
      }
      let user = UInt32.random(in: 0...5, using: &chance)
      let (held, ordinary) = (serving.values.count { $0 == user }, serving.values.count { $0 != 0 })
      let mayServe = user == 0 || ordinary < 64 && held <= 64 - ordinary
      guard shares.mayServe(user) == mayServe else {
        Issue.record("seed \(seed)")
        return
      }
      guard mayServe, serving.count < 80 else { continue }
      let thread = shares.addThread()
      #expect(serving[thread] == nil)
      shares.serve(user, on: thread)
      serving[thread] = user
    }
  }
}
