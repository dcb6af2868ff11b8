import Testing

/// E-mail addresses and services, as they are compared.
@Suite struct EmailAddressTests {
  @Test("addresses that are one: case, the root's dot, letters beyond ASCII")
  func equal() throws {
    let key = try #require(EmailAddress("user@example.org")).key
    for text in ["USER@Example.ORG", "user@example.org."] { #expect(EmailAddress(text)?.key == key, "\(text)") }
    let written = try #require(EmailAddress("User@Bücher.Example"))
    #expect(written.text == "User@Bücher.Example" && written.domain == "xn--bcher-kva.example")
    #expect(written.key == EmailAddress("user@xn--bcher-kva.example")?.key)
  }

  @Test("the last sign for at ends the local part")
  func local() { #expect(EmailAddress("\"a@b\"@example.org")?.domain == "example.org") }

  @Test(
    "what is no address",
    arguments: [
      "", "@", "user", "user@", "@example.org", "user@example..org", "user@.org", "user@a b", "user@a\\.b",
      "us\u{7}er@example.org",
      "user@example.org..", "u@" + String(repeating: "a.", count: 160) + "org",
    ])
  func refused(_ text: String) { #expect(EmailAddress(text) == nil) }

  @Test("a service is a word, without regard to case; nothing and the top of the name space are all services")
  func services() {
    #expect(Service(nil) == .any && Service("") == .any && Service("\\") == .any)
    #expect(Service("IMAP") == Service("imap") && Service("imap") != .any)
    for text in ["a b", "a\n", String(repeating: "x", count: 65)] { #expect(Service(text) == nil, "\(text)") }
  }

  @Test("what is asked of a domain: what speaks TLS from the first byte first; nothing for a word that is no service of e-mail")
  func questions() throws {
    func names(_ text: String) throws -> [String] { MailService.asked(try #require(Service(text))).map(\.name) }
    #expect(
      try names("imap") == ["imaps", "imap"] && names("smtp") == ["smtp"] && names("MX") == ["smtp"] && names("chat").isEmpty)
    #expect(try names("") == ["submissions", "submission", "imaps", "imap", "jmap", "smtp"])
    #expect(MailService.asked(try #require(Service("smtp"))).map(\.question) == [.mail])
    #expect(MailService.asked(try #require(Service("jmap"))).map(\.question) == [.service(label: "_jmap._tcp")])
  }
}
