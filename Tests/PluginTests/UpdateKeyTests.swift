import Testing

/// Files of keys, as tsig-keygen writes them and as people edit them.
@Suite struct UpdateKeyTests {
  private static let secret = "c2VjcmV0//8="

  private func key(_ text: String) throws -> UpdateKey { try UpdateKey(text, of: "/k") }

  @Test(
    "comments, quotation marks, case and the root's dot make no difference",
    arguments: [
      "key \"k\" {\n\talgorithm hmac-sha256;\n\tsecret \"\(secret)\";\n};\n",
      "key k { algorithm hmac-sha256; secret \(secret); };",
      "# made by hand\nkey \"k\" { # its name\nalgorithm HMAC-SHA256.; // with a dot\nsecret \"\(secret)\"; };",
      "// key \"other\" { secret \"eA==\"; }\n/* one\n secret \"eA==\"; two */ key k { secret \"\(secret)\"; algorithm \"hmac-sha256.\"; };",
      "key k{algorithm hmac-sha256;//\nsecret \"\(secret)\";#\n};",
      "key/* */k/**/{ algorithm hmac-sha256#;\n;/* ; */secret \(secret);}",
    ])
  func written(_ text: String) throws {
    let key = try key(text)
    #expect(key.name == "k" && key.algorithm == "hmac-sha256." && key.secret == Self.secret)
  }

  @Test("a key may be called like one of its values")
  func names() throws {
    #expect(try key("key \"secret\" { algorithm hmac-sha1; secret \"eA==\"; };").secret == "eA==")
    #expect(try key("key algorithm { algorithm hmac-sha512.; secret \"eA==\"; };").algorithm == "hmac-sha512.")
  }

  @Test(
    "hmac-md5 has a long name in messages",
    arguments: ["hmac-md5", "hmac-md5.", "hmac-md5.sig-alg.reg.int", "HMAC-MD5.SIG-ALG.REG.INT."])
  func md5(_ algorithm: String) throws {
    #expect(try key("key k { algorithm \(algorithm); secret \"eA==\"; };").algorithm == "hmac-md5.sig-alg.reg.int.")
  }

  @Test(
    "what is no key is refused",
    arguments: [
      "", "key", "key k {", "key k { };", "# key k { algorithm hmac-sha256; secret \"eA==\"; };",
      "key k { algorithm hmac-sha256; };",
      "key k { secret \"eA==\"; };", "key k { algorithm hmac-sha256; secret \"\"; };",
      "key k { algorithm hmac-sha256; secret \"eA=\"; };",
      "key k { algorithm hmac-sha256; secret \"e[==\"; };", "key k { algorithm hmac-sha256; secret \"=eA=\"; };",
      "key k { algorithm hmac-sha256; secret \"====\"; };", "key \"\" { algorithm hmac-sha256; secret \"eA==\"; };",
      "/* key k { algorithm hmac-sha256; secret \"eA==\"; };", "zone k { algorithm hmac-sha256; secret \"eA==\"; };",
    ])
  func refused(_ text: String) {
    #expect(throws: UpdateKey.Failure(description: "/k is no key file: write one with tsig-keygen")) { try key(text) }
  }

  @Test("an algorithm that can't be used is named")
  func algorithms() {
    #expect { try key("key k { algorithm hmac-sha384; secret \"eA==\"; };") } throws: {
      "\($0)".contains("has a key for hmac-sha384")
    }
  }

  @Test("a path is absolute, and leads to a regular file")
  func files() {
    #expect { try UpdateKey("key") } throws: { "\($0)".contains("write an absolute path") }
    #expect { try UpdateKey("/nowhere/at/all") } throws: { "\($0)".contains("can't be read") }
    #expect { try UpdateKey("/dev/null") } throws: { "\($0)".contains("is no regular file") }
  }
}
