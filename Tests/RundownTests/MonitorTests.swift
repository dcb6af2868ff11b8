import Glibc
import Testing

@testable import Rundown

@Suite struct MonitorTests {
  @Test("a thread that waits gets what another one puts there, all of it and in order")
  func signalled() {
    let numbers = Monitor<[Int]>([])
    let got = Locked<[Int]>([])
    onThreads(2) { index in
      for number in 0..<5_000 {
        if index == 0 {
          numbers.withLock { $0.append(number) }
          numbers.signal()
        } else {
          let next: Int = numbers.wait { $0.isEmpty ? .sleep : .over($0.removeFirst()) }
          got.withLock { $0.append(next) }
        }
      }
    }
    #expect(got.withLock { $0 } == Array(0..<5_000))
  }

  @Test("8 threads wait for one list: each element goes to one of them")
  func shared() {
    let numbers = Monitor<[Int]>([])
    let got = Locked<[Int]>([])
    onThreads(16) { index in
      for number in 0..<500 {
        if index < 8 {
          numbers.withLock { $0.append(index * 500 + number) }
          numbers.signal()
        } else {
          let next: Int = numbers.wait { numbers in numbers.popLast().map { .over($0) } ?? .sleep }
          got.withLock { $0.append(next) }
        }
      }
    }
    #expect(got.withLock { $0.sorted() } == Array(0..<4_000))
  }

  @Test("nobody signals: it sleeps, and looks again when its moment has come", arguments: [CLOCK_MONOTONIC, CLOCK_REALTIME])
  func moment(_ clock: clockid_t) {
    let looks = Monitor(0, clock: clock)
    let end = now(clock) + .milliseconds(30)
    let count: Int = looks.wait { looks in
      looks += 1
      return now(clock) < end ? .sleepUntil(end) : .over(looks)
    }
    #expect(now(clock) >= end)
    #expect((2..<100).contains(count))
  }

  private func now(_ clock: clockid_t) -> Duration {
    var time = timespec()
    clock_gettime(clock, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }
}
