import QuerySets
import Testing

/// The query string of a registration.
@Suite struct LifetimeTests {
  @Test("words in any order, with semicolons or spaces")
  func words() throws {
    #expect(try Lifetime(nil) == Lifetime(""))
    for text in ["session;expires=60", "expires=60 session", ";; expires=60 ;session; "] {
      let lifetime = try Lifetime(text)
      #expect(lifetime.endsWithSession && lifetime.seconds == 60, "\(text)")
    }
    #expect(try !Lifetime("expires=1").endsWithSession && Lifetime("session").seconds == nil)
  }

  @Test(
    "what is not understood is refused, not passed over",
    arguments: [
      "session;session", "expires=1;expires=2", "expires", "expires=", "expires=0", "expires=-1", "expires=1.5",
      "expires=315360001",
      "expires=99999999999999999999", "Session", "session=1", "forever",
    ])
  func refused(_ text: String) { #expect(throws: WinsockError.invalidArgument) { try Lifetime(text) } }
}
