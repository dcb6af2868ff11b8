import BoundedTOML
import TOMLKit
import Testing

@Suite struct BoundedTOMLTests {
  private func problem(_ text: String) -> Problem? {
    do throws(Problem) { _ = try BoundedTOML.table(text, path: "some.toml") } catch { return error }
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
      let found = problem("# \"\"\" a comment . . .\ny = 1\n" + text + "\n")
      #expect(found?.line == "some.toml:3: more than 16 keys, lists or tables within each other", "\(text.prefix(60))")
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
    #expect(problem(String(repeating: "# nothing\n", count: 200_000))?.line == "some.toml: more than 1024 KiB")
  }

  @Test("what is no TOML is refused with its place and the parser's reason")
  func malformed() { #expect(problem("b = 1\na = \n")?.line.hasPrefix("some.toml:2:5: not TOML: ") == true) }

  @Test("each key and each value has a place, however the document writes it")
  func positions() {
    let text = """
      # one = 1
      one = 7 # two = 2
        ü = [ "a, b", 'c]', [1,
          2], { x.y = "}" , "z z" = \"\"\"
      ] \"\"\" } ]
      "a\\"b".'c.d' = 1979-05-27 07:32:00
      [ providers . hello ]
      order = "\\\\"
      [[list]]
      name = 'first'
      [[list]]
        name.short = ''
        [list.inner]
        deep = true
      """
    let positions = TOMLPositions(of: text)
    func key(_ place: String) -> [Int?] { [positions.key(place)?.line, positions.key(place)?.column] }
    func value(_ place: String) -> [Int?] { [positions.value(place)?.line, positions.value(place)?.column] }
    #expect(key("one") == [2, 1] && value("one") == [2, 7] && key("two") == [nil, nil])
    #expect(value("\"ü\"") == [3, 7] && value("\"ü\"[0]") == [3, 9] && value("\"ü\"[1]") == [3, 17])
    #expect(value("\"ü\"[2][1]") == [4, 5] && value("\"ü\"[3].x.y") == [4, 17] && key("\"ü\"[3].\"z z\"") == [4, 23])
    #expect(value("\"ü\"[3].\"z z\"") == [4, 31])
    #expect(key(#""a\"b"."c.d""#) == [6, 1] && value(#""a\"b"."c.d""#) == [6, 16])
    #expect(key("providers") == [7, 1] && value("providers.hello") == [7, 1] && value("providers.hello.order") == [8, 9])
    #expect(value("list[0].name") == [10, 8] && value("list[1].name.short") == [12, 16])
    #expect(key("list[1].inner") == [13, 3] && key("list[1].inner.deep") == [14, 3])
  }

  @Test("positions of what is cut off anywhere come to an end")
  func cutPositions() {
    let text = "a = [{b = \"\\\"c\", d.'e' = \"\"\"f\"\"\"\"}, 1]\n[[g.h]]\ni = {"
    for count in 0...text.count { #expect(TOMLPositions(of: String(text.prefix(count))).key("z") == nil) }
  }
}
