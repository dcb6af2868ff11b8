import Testing

/// Paths of contexts, and the keys by which the store finds what is below one.
@Suite struct ContextPathTests {
  @Test("nothing and a separator are the top; separators at both ends count for nothing", arguments: [nil, "", "\\", "\\\\"])
  func top(_ text: String?) throws {
    let path = try #require(ContextPath(text))
    #expect(path.components.isEmpty && path.description == "\\" && path.key == "\\")
  }

  @Test("a path keeps how it was written, and its key does not: case makes no difference")
  func spelling() throws {
    let (first, second) = (try #require(ContextPath("\\Offices\\Bern")), try #require(ContextPath("offices\\BERN\\")))
    #expect(first.description == "\\Offices\\Bern" && second.description == "\\offices\\BERN")
    #expect(first.key == second.key && first.key == "\\offices\\bern\\")
  }

  @Test(
    "what is no path", arguments: ["a\\\\b", "\\\\\\", String(repeating: "a\\", count: 33), String(repeating: "x", count: 1025)])
  func refused(_ text: String) { #expect(ContextPath(text) == nil) }

  @Test("the most that is taken is taken")
  func largest() {
    #expect(ContextPath(String(repeating: "a\\", count: 32)) != nil)
    #expect(ContextPath(String(repeating: "x", count: 1024)) != nil)
  }

  @Test("all that is below a context lies between its key and its end, and nothing else does")
  func order() throws {
    let context = try #require(ContextPath("a\\b"))
    for inside in ["a\\b", "a\\b\\c", "A\\B\\c\\d", "a\\b\\z", "a\\b\\]"] {
      let key = try #require(ContextPath(inside)).key
      #expect(key >= context.key && key <= context.end, "\(inside)")
    }
    for outside in ["a", "a\\bb", "a\\b2", "a\\c", "a\\B]", "b\\b", "\\"] {
      let key = try #require(ContextPath(outside)).key
      #expect(key < context.key || key > context.end, "\(outside)")
    }
  }
}
