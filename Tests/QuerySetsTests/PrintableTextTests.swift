import QuerySets
import Testing

@Suite struct PrintableTextTests {
  @Test(
    "what would control a terminal is shown as an escape, and everything else as it is",
    arguments: [
      ("hosts", "hosts"), ("bücher 名前", "bücher 名前"), ("a\u{1b}[31mb", "a\\u{1b}[31mb"), ("two\nlines", "two\\u{a}lines"),
      ("\u{9b}2J", "\\u{9b}2J"), ("\u{7f}", "\\u{7f}"), ("gnp.\u{202e}os", "gnp.\\u{202e}os"), ("\u{2028}", "\\u{2028}"),
      ("", ""),
    ])
  func printable(text: String, shown: String) {
    #expect(text.printable == shown)
    #expect(shown.printable == shown, "once is enough")
  }

  @Test(
    "bytes that are no UTF-8 are named, each of them",
    arguments: [
      ([0x61, 0x2e, 0x73, 0x6f], "a.so"), ([0x61, 0xff, 0x2e], "a\\xff."), ([0xc3, 0xbc], "ü"), ([0xc3], "\\xc3"),
      ([0xc3, 0x28], "\\xc3("), ([0xed, 0xa0, 0x80], "\\xed\\xa0\\x80"), ([0xf0, 0x9f, 0x98], "\\xf0\\x9f\\x98"),
      ([0x80, 0x0a], "\\x80\n"), ([], ""),
    ] as [([UInt8], String)])
  func naming(bytes: [UInt8], text: String) {
    #expect(String(naming: bytes) == text)
    let terminated = bytes.map { CChar(bitPattern: $0) } + [0]
    let named = terminated.withUnsafeBufferPointer { String(naming: $0.baseAddress!) }
    #expect(named == text)
  }
}
