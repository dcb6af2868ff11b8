import Testing

@testable import Providers

@Suite struct RoutinePlacesTests {
  /// Routines by number, with what each is, as the places let them in.
  private struct Play {
    var places: RoutinePlaces
    var roles: [UInt64: RoutineRole] = [:]
    var running: [UInt64] = []
    var last: UInt64 = 0

    init(_ capacity: Int, endsWait: Bool = false) { places = RoutinePlaces(capacity: capacity, endsWait: endsWait) }

    mutating func arrive(_ role: RoutineRole) -> UInt64 {
      last += 1
      roles[last] = role
      running += places.arrive(last, role)
      return last
    }

    mutating func leave(_ number: UInt64) {
      running.removeAll { $0 == number }
      running += places.leave(roles[number]!)
    }

    var now: [RoutineRole] { running.map { roles[$0]! } }
  }

  @Test("NSP-238 one at a time, in the order in which they came")
  func oneAtATime() {
    var play = Play(1)
    let first = play.arrive(.other)
    let second = play.arrive(.next(1))
    _ = play.arrive(.next(2))
    #expect(play.now == [.other])
    play.leave(first)
    #expect(play.now == [.next(1)])
    play.leave(second)
    #expect(play.now == [.next(2)])
  }

  @Test("NSP-238 an End begins beside the NextEx of its own handle, and beside no other")
  func ownEnd() {
    var play = Play(1)
    let next = play.arrive(.next(1))
    let end = play.arrive(.end(2))
    #expect(play.now == [.next(1)])
    let own = play.arrive(.end(1))
    #expect(play.now == [.next(1), .end(1)])
    // It has the place that its NextEx gives up, so that nothing else begins beside it.
    play.leave(next)
    #expect(play.now == [.end(1)])
    play.leave(own)
    #expect(play.now == [.end(2)])
    play.leave(end)
    #expect(play.now.isEmpty)
    _ = play.arrive(.other)
    _ = play.arrive(.other)
    #expect(play.now == [.other])
  }

  @Test("an End that returns before its NextEx leaves the place to it")
  func endFirst() {
    var play = Play(1)
    let next = play.arrive(.next(1))
    let own = play.arrive(.end(1))
    _ = play.arrive(.other)
    play.leave(own)
    #expect(play.now == [.next(1)])
    play.leave(next)
    #expect(play.now == [.other])
  }

  @Test("an End that waits is let in by the NextEx of its handle that begins before it")
  func lateNext() {
    var play = Play(1)
    let first = play.arrive(.other)
    _ = play.arrive(.next(1))
    _ = play.arrive(.end(1))
    #expect(play.now == [.other])
    play.leave(first)
    #expect(play.now == [.next(1), .end(1)])
  }

  @Test("where Ends wait, not even the own NextEx is overlapped; others go on", arguments: [1, 2, Int.max])
  func waits(_ capacity: Int) {
    var play = Play(capacity, endsWait: true)
    let next = play.arrive(.next(1))
    let own = play.arrive(.end(1))
    #expect(play.now == [.next(1)])
    let other = play.arrive(.other)
    #expect(play.now == (capacity > 1 ? [.next(1), .other] : [.next(1)]))
    play.leave(next)
    #expect(Set(play.running) == (capacity > 1 ? [other, own] : [own]))
  }

  @Test("one that gives up is not let in, and one that has begun can't")
  func givesUp() {
    var places = RoutinePlaces(capacity: 1, endsWait: false)
    #expect(places.arrive(1, .other) == [1])
    #expect(places.arrive(2, .other) == [] && places.arrive(3, .other) == [])
    #expect(places.giveUp(2) && !places.giveUp(1) && !places.giveUp(2))
    #expect(places.leave(.other) == [3])
  }

  @Test("whatever comes: never more than the capacity but for own Ends, and everybody is let in at last", arguments: 0..<200)
  func random(_ seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func draw(_ bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(bound))
    }
    let (capacity, endsWait) = (1 + draw(3), draw(2) == 0)
    var play = Play(capacity, endsWait: endsWait)
    func check() {
      let nexts = Set(play.now.compactMap { if case .next(let handle) = $0 { handle } else { nil } })
      let beside = play.now.count(where: { if case .end(let handle) = $0 { nexts.contains(handle) } else { false } })
      #expect(play.running.count - beside <= capacity, "seed \(seed)")
      if endsWait { #expect(beside == 0, "seed \(seed)") }
    }
    // Each lookup has one NextEx at a time, and one End, behind which there is no other.
    var lookups: [(handle: UInt64, next: UInt64?)] = []
    for step in 0..<300 {
      if draw(2) == 0 || play.running.isEmpty {
        let index = draw(lookups.count + 2)
        if index >= lookups.count {
          if draw(2) == 0 { lookups.append((UInt64(step), nil)) } else { _ = play.arrive(.other) }
        } else if lookups[index].next == nil, draw(3) > 0 {
          lookups[index].next = play.arrive(.next(lookups[index].handle))
        } else {
          _ = play.arrive(.end(lookups.remove(at: index).handle))
        }
      } else {
        let number = play.running[draw(play.running.count)]
        play.leave(number)
        for index in lookups.indices where lookups[index].next == number { lookups[index].next = nil }
      }
      check()
    }
    var left = 2000
    while let one = play.running.first, left > 0 {
      play.leave(one)
      check()
      left -= 1
    }
    #expect(play.running.isEmpty && play.places.arrive(0, .other) == [0], "seed \(seed)")
  }
}
