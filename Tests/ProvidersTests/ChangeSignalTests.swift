import Providers
import Rundown
import Testing

/// Who is told of which change.
@Suite struct ChangeSignalTests {
  private let told = Told()

  private final class Told: Sendable {
    private let names = Locked<[String]>([])
    func note(_ name: String) { names.withLock { $0.append(name) } }
    func take() -> [String] {
      names.withLock { names in
        defer { names = [] }
        return names.sorted()
      }
    }
  }

  private func wait(_ signal: ChangeSignal, _ name: String?, after seen: UInt64) -> ChangeSignal.Ticket? {
    signal.next(ChangeSubject(query: name), after: seen) { [told] in told.note(name ?? "-") }
  }

  @Test("a change of a name is for those who wait for it or for everything; one of everything for all; each is told once")
  func subjects() {
    let signal = ChangeSignal()
    for name in ["one", "two", "o*", "tw?", "", nil] { #expect(wait(signal, name, after: 0) != nil) }
    signal.advance(ChangeSubject(name: "ONE."))
    #expect(told.take() == ["", "-", "o*", "one", "tw?"])
    #expect(signal.count == 1)
    signal.advance(ChangeSubject(name: "one"))
    #expect(told.take() == [])
    signal.advance()
    #expect(told.take() == ["two"])
    signal.advance()
    #expect(told.take() == [])
  }

  @Test("who asks after a change has happened learns of it, if it was of the name or of everything")
  func past() {
    let signal = ChangeSignal()
    signal.advance(ChangeSubject(name: "one"))
    #expect(wait(signal, "one", after: 0) == nil && wait(signal, nil, after: 0) == nil && wait(signal, "*", after: 0) == nil)
    #expect(signal.hasChanged(ChangeSubject(query: "one"), after: 0) && !signal.hasChanged(ChangeSubject(query: "two"), after: 0))
    #expect(!signal.hasChanged(ChangeSubject(query: "one"), after: 1))
    let ticket = wait(signal, "two", after: 0)
    #expect(ticket != nil)
    signal.advance()
    #expect(signal.hasChanged(ChangeSubject(query: "two"), after: 1) && told.take() == ["two"])
    if let ticket { signal.cancel(ticket) }
  }

  @Test("what is forgotten counts as a change of everything; nothing is missed")
  func forgetting() {
    let signal = ChangeSignal()
    for number in 0..<1000 { signal.advance(ChangeSubject(name: "\(number)")) }
    #expect(signal.hasChanged(ChangeSubject(name: "0"), after: 0) && signal.hasChanged(ChangeSubject(name: "other"), after: 0))
    #expect(
      signal.hasChanged(ChangeSubject(name: "999"), after: 999) && !signal.hasChanged(ChangeSubject(name: "998"), after: 999))
    #expect(
      signal.hasChanged(ChangeSubject(name: "990"), after: 985) && !signal.hasChanged(ChangeSubject(name: "980"), after: 985))
  }

  @Test("a wait that was cancelled is not told, and leaves the others theirs")
  func cancelling() {
    let signal = ChangeSignal()
    let first = wait(signal, "one", after: 0)
    #expect(wait(signal, "one", after: 0) != nil)
    if let first { signal.cancel(first) }
    signal.advance(ChangeSubject(name: "one"))
    #expect(told.take() == ["one"])
  }

  @Test("a promise to say everything is remembered")
  func promising() {
    let signal = ChangeSignal()
    signal.advance(ChangeSubject(name: "one"))
    #expect(!signal.isComplete)
    signal.promise()
    #expect(signal.isComplete)
  }
}
