import CWinsock
import QuerySets
import ServiceClasses
import Testing

/// Classes as people write and read them.
@Suite struct ClassFileTests {
  @Test("every type is read from a file, and shown as it was written")
  func types() throws {
    let file = try ClassFile(
      toml: """
        [[class]]
        name = "meter"
        id = "{77D3FE10-4A6C-4F0E-9D0C-3A5BE0C2B7A1}"
        values = [
          { name = "TcpPort", namespace = "dns", type = "dword", value = 7001 },
          { name = "Big", namespace = 0, type = "qword", value = 9223372036854775807 },
          { name = "Vendor", namespace = "all", type = "string", value = 'a "b" \\ ä😀' },
          { name = "Path", namespace = "all", type = "expand-string", value = "%X%" },
          { name = "All", namespace = "all", type = "strings", value = ["a", "b c"] },
          { name = "No", namespace = "all", type = "strings", value = [] },
          { name = "Tag", namespace = "all", type = "binary", value = "0a 1B2c" },
          { name = "Odd", namespace = "nla", type = 99, value = "ff" },
          { name = "Nothing", namespace = "all", type = "none" },
        ]
        [[class]]
        name = "plain"
        id = "77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a2"
        """, path: "x.toml")
    #expect(file.classes.map(\.name) == ["meter", "plain"] && file.classes[1].entries.isEmpty)
    let entries = file.classes[0].entries
    #expect(entries.map(\.type.rawValue) == [4, 11, 1, 2, 7, 7, 3, 99, 0])
    #expect(
      entries.map(\.type.name) == ["dword", "qword", "string", "expand-string", "strings", "strings", "binary", "99", "none"])
    #expect(
      entries.map(\.text) == [
        "7001", "9223372036854775807", "\"a \\\"b\\\" \\\\ ä😀\"", "\"%X%\"", "\"a\", \"b c\"", "", "0a 1b 2c", "ff", "",
      ])
    #expect(
      entries[0].value == [0x59, 0x1B, 0, 0] && entries[4].value == [0x61, 0, 0, 0, 0x62, 0, 0x20, 0, 0x63, 0, 0, 0, 0, 0])
    #expect(entries[5].value == [0, 0] && entries[8].value.isEmpty)
  }

  @Test("bytes that are not of their type are shown as bytes")
  func strangeValues() {
    func text(_ type: ServiceClass.ValueType, _ value: [UInt8]) -> String {
      ServiceClass.Entry(name: "x", nameSpace: .all, type: type, value: value).text
    }
    #expect(text(.string, [0x61, 0]) == "61 00" && text(.string, [0x61]) == "61" && text(.string, [0, 0]) == "\"\"")
    #expect(text(.string, [0, 0xD8, 0, 0]) == "00 d8 00 00" && text(.string, [0x61, 0, 0, 0, 0x62, 0, 0, 0]).hasPrefix("61 00"))
    #expect(text(.strings, [0x61, 0, 0, 0]) == "61 00 00 00" && text(.strings, []) == "")
    #expect(text(.dword, [1]) == "01" && text(.qword, [1, 0, 0, 0]) == "01 00 00 00")
  }

  @Test(
    "what is wrong is named, with what to do",
    arguments: [
      (
        "[[class]]\nname = 'a'\nid = '77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a2'\n"
          + "[[class]]\nname = 'b'\nid = '77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a2'", "x.toml: a and b have the same id"
      ),
      ("[[class]]\nname = \"a\\u0000b\"", "x.toml has a NUL in a text"), ("x", "x.toml:1:2: not TOML"),
      ("", "x.toml has no class"),
      ("class = 5", "x.toml has no class"),
      ("[[klass]]\nname = 'a'", "x.toml has an unknown key \"klass\""), ("class = [5]", "x.toml: class 1 is not a table"),
      ("[[class]]\nid = '77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a2'", "x.toml: class 1 has no name"),
      ("[[class]]\nname = 'a'\nid = '77'", "x.toml: class 1 (a) has no id, or one that is no GUID"),
      (
        "[[class]]\nname = 'a'\nid = '77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a2'\n[class.values]\nname = 'b'",
        "x.toml: class 1 (a): values is not a list"
      ),
      ("[[class]]\nname = 'a'\ncolour = 1", "x.toml: class 1 has an unknown key \"colour\""),
    ])
  func defects(text: String, detail: String) {
    let failure = #expect(throws: ClassFile.Defect.self) { try ClassFile(toml: text, path: "x.toml") }
    #expect(failure?.detail.hasPrefix(detail) == true && failure?.remedy.isEmpty == false, "\(String(describing: failure))")
  }

  @Test(
    "so is what is wrong with a value",
    arguments: [
      ("{ namespace = 'dns', type = 'dword', value = 1 }", "has no name"),
      ("{ name = 'P', type = 'dword', value = 1 }", "has no name space"),
      ("{ name = 'P', namespace = 'dns', value = 1 }", "has no type"),
      ("{ name = 'P', namespace = 0, type = 'word' }", "has no type"),
      ("{ name = 'P', namespace = 0, type = 'dword', value = -1 }", "its value is no dword"),
      ("{ name = 'P', namespace = 0, type = 'dword', value = 4294967296 }", "its value is no dword"),
      ("{ name = 'P', namespace = 0, type = 'dword', value = '1' }", "its value is no dword"),
      ("{ name = 'P', namespace = 0, type = 'qword', value = -1 }", "its value is no qword"),
      ("{ name = 'P', namespace = 0, type = 'string', value = 1 }", "its value is no string"),
      ("{ name = 'P', namespace = 0, type = 'strings', value = ['a', ''] }", "its value is no strings"),
      ("{ name = 'P', namespace = 0, type = 'strings', value = ['a', 1] }", "its value is no strings"),
      ("{ name = 'P', namespace = 0, type = 'binary', value = '0' }", "its value is no binary"),
      ("{ name = 'P', namespace = 0, type = 'binary', value = '+1' }", "its value is no binary"),
      ("{ name = 'P', namespace = 0, type = 4, value = 1.5 }", "its value is no dword"),
    ])
  func valueDefects(text: String, detail: String) {
    let failure = #expect(throws: ClassFile.Defect.self) {
      try ClassFile(
        toml: "[[class]]\nname = 'a'\nid = '77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a2'\nvalues = [\(text)]", path: "x.toml")
    }
    #expect(failure?.detail.contains(detail) == true && failure?.remedy.isEmpty == false, "\(String(describing: failure))")
  }
}
