import Testing
import Wire

@testable import Serving

/// What a provider's process has said, and the host does not know yet.
@Suite struct ChangeQueueTests {
  private func name(_ text: String) -> [UInt16] { Array(text.utf16) }

  @Test("one message is on its way; names that come meanwhile follow, each once")
  func names() {
    var queue = ChangeQueue()
    #expect(queue.next() == nil)
    queue.add(name("one"))
    #expect(queue.next() == .init(kind: .name, name: name("one")))
    for _ in 0..<3 { for text in ["one", "two"] { queue.add(name(text)) } }
    #expect(queue.next() == nil)
    for text in ["one", "two"] {
      queue.taken()
      #expect(queue.next() == .init(kind: .name, name: name(text)))
    }
    queue.taken()
    #expect(queue.next() == nil)
  }

  @Test("everything takes the names with it; so do more names than are kept, and one that is too long, without a promise")
  func everything() {
    var queue = ChangeQueue()
    queue.add(name("one"))
    queue.add(nil)
    queue.add(name("two"))
    #expect(queue.next() == .init(kind: .everything))
    queue.taken()
    #expect(queue.next() == nil)
    for number in 0..<10_000 { queue.add(name("\(number)")) }
    #expect(queue.next() == .init(kind: .much))
    queue.taken()
    #expect(queue.next() == nil)
    queue.add(name(String(repeating: "x", count: 2000)))
    #expect(queue.next() == .init(kind: .much))
    // More that comes meanwhile is told again.
    queue.add(name("three"))
    queue.taken()
    #expect(queue.next() == .init(kind: .name, name: name("three")))
  }

  @Test("another host is told of nothing but the promise")
  func renewing() {
    var queue = ChangeQueue()
    queue.add(name("one"))
    _ = queue.next()
    queue.add(name("two"))
    queue.renew()
    #expect(queue.next() == nil)
    queue.add(nil)
    _ = queue.next()
    queue.renew()
    #expect(queue.next() == .init(kind: .everything))
  }
}
