import Glibc
import Testing

@testable import Rundown

@Suite struct DescriptorTests {
  private struct None: Error {}

  @Test("it is closed when its owner lets go of it, and open while the owner uses it")
  func closes() throws {
    let (reader, writer) = try pipe()
    do {
      guard let owned = Descriptor(writer) else { throw None() }
      let number = owned.number
      #expect(number == writer)
      #expect(!hasEnded(reader))
    }
    #expect(hasEnded(reader))
    close(reader)
  }

  @Test("a number that was taken is open until its new owner closes it")
  func taken() throws {
    let (reader, writer) = try pipe()
    func take(_ descriptor: consuming Descriptor) -> Int32 { descriptor.take() }
    guard let owned = Descriptor(writer) else { throw None() }
    let number = take(owned)
    #expect(number == writer)
    #expect(!hasEnded(reader))
    close(number)
    #expect(hasEnded(reader))
    close(reader)
  }

  @Test("an object that can't be made completely closes what it has")
  func unfinished() throws {
    final class Owner {
      let descriptor: Descriptor?
      let other: Int
      init(_ descriptor: consuming Descriptor?, fails: Bool) throws {
        self.descriptor = descriptor
        if fails { throw None() }
        other = 0
      }
    }
    let (reader, writer) = try pipe()
    #expect(throws: None.self) { _ = try Owner(Descriptor(writer), fails: true) }
    #expect(hasEnded(reader))
    close(reader)
  }

  @Test("a call that failed leaves none, and errno still says why")
  func failed() {
    let descriptor = Descriptor(open("/nowhere/at/all", O_RDONLY))
    let why = errno
    #expect(why == ENOENT)
    if descriptor != nil { Issue.record("there is a descriptor") }
  }

  private func pipe() throws -> (reader: Int32, writer: Int32) {
    var ends: [Int32] = [-1, -1]
    try #require(Glibc.pipe(&ends) == 0)
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    return (ends[0], ends[1])
  }

  /// Whether the writer of a pipe is closed.
  private func hasEnded(_ reader: Int32) -> Bool {
    var byte: UInt8 = 0
    return read(reader, &byte, 1) == 0
  }
}
