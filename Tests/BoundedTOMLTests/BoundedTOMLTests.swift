import BoundedTOML
import TOMLKit
import Testing

@Suite struct BoundedTOMLTests {
  private func defect(_ text: String) -> BoundedTOML.Defect? {
    do throws(BoundedTOML.Defect) { _ = try BoundedTOML.table(text, path: "some.toml") } catch { return error }
    return nil
  }

  @Test("what nests too deep is refused with its line, however it is written")
  func levels() {
    func keys(_ count: Int) -> String { Array(repeating: "a", count: count).joined(separator: ".") }
    let tooDeep = [
      keys(17) + " = 1", keys(40_000) + " = 1", "[\(keys(17))]", "[[\(keys(40_000))]]", keys(17).replacing(".", with: " . "),
      Array(repeating: "\"a\"", count: 17).joined(separator: "."), "x = " + String(repeating: "[", count: 17),
      "x = " + String(repeating: "{a=", count: 17), "x = {b = \"\"\"quoted\"\"\"\"\", \(keys(17)) = 1}",
      "x = {b = '''quoted'''', \(keys(17)) = 1}", "x = {b = \"\", \(keys(17)) = 1}", "x = {b = \"\\\\\", \(keys(17)) = 1}",
      "x = {b = '\\', \(keys(17)) = 1}", "x = {b = \"\"\"\\\"\"\"\", \(keys(17)) = 1}",
    ]
    for text in tooDeep {
      let found = defect("# \"\"\" a comment . . .\ny = 1\n" + text + "\n")
      #expect(found?.detail == "some.toml:3: more than 16 keys, lists or tables within each other", "\(text.prefix(60))")
    }
  }

  @Test("what looks like levels in a text or a comment is none")
  func texts() throws {
    let dots = String(repeating: "[a.{b}.\\\\c", count: 100)
    let text = """
      # \(dots) " ''' {{{
      one = "\(dots)"
      two = '\(dots)'
      three = \"\"\"
      \(dots) " "" ' #
      \(dots)\\\"\"\"\"\"\"
      four = '''
      \(dots) ' '' " #
      '''
      five = ["1.2.3.4", "fe80::1.2", 1.5, 1979-05-27T07:32:00.999-07:00]
      [\(Array(repeating: "a", count: 16).joined(separator: "."))]
      b.c = {d.e = [[1.5]]}
      """
    let table = try BoundedTOML.table(text, path: "some.toml")
    #expect(table.keys.sorted() == ["a", "five", "four", "one", "three", "two"])
    #expect(table["five"]?.array?.count == 4)
  }

  @Test("a file of any size takes a time that grows with it")
  func size() throws {
    let text = (0..<60_000).map { "k\($0) = 1\n" }.joined()
    let begin = ContinuousClock.now
    #expect(try BoundedTOML.table(text, path: "some.toml").count == 60_000)
    #expect(begin.duration(to: .now) < .seconds(20), "quadratic: minutes")
    #expect(defect(String(repeating: "# nothing\n", count: 200_000))?.detail == "some.toml has more than 1024 KiB")
  }

  @Test("what is no TOML is refused with the parser's reason")
  func malformed() { #expect(defect("a = \n")?.detail.hasPrefix("some.toml is not TOML: ") == true) }
}
