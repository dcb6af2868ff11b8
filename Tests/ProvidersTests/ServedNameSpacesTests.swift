import BoundedTOML
import QuerySets
import Testing

@testable import Providers

@Suite struct ServedNameSpacesTests {
  private static let one = ServedNameSpaces(.dns)
  private static let two = ServedNameSpaces([.ntds, .dns])!
  private static let all = ServedNameSpaces(.all, listed: [.ntds, .dns])

  @Test("one is served, some are, or all of them")
  func serves() {
    #expect(Self.one.serve(.dns) && Self.one.serve(.all) && !Self.one.serve(.ntds))
    #expect(Self.two.serve(.dns) && Self.two.serve(.all) && Self.two.serve(.ntds) && !Self.two.serve(.nds))
    #expect(Self.all.serve(.dns) && Self.all.serve(.all) && Self.all.serve(NameSpace(rawValue: 1000)))
  }

  @Test("no provider is enumerated under all name spaces")
  func enumerated() {
    #expect(Self.one.enumerated == [.dns] && Self.two.enumerated == [.ntds, .dns] && Self.all.enumerated == [.ntds, .dns])
    #expect(ServedNameSpaces(.all).enumerated == [.dns] && Manifest(fileName: "x.so").nameSpaces.enumerated == [.dns])
  }

  @Test(
    "what a record says of its name space",
    arguments: [
      // One: always the true one.
      (one, NameSpace.ntds, NameSpace.dns, NameSpace.dns), (one, .all, .all, .dns), (one, .dns, .ntds, .dns),
      // Two: what was asked for, if it is one of them, else what the provider says, if that is.
      (two, .ntds, .dns, .dns), (two, .dns, .all, .dns), (two, .all, .all, .ntds), (two, .nds, .all, .ntds),
      (two, .dns, .nds, .dns),
      // All: what the provider says, if it says anything.
      (all, .ntds, .dns, .ntds), (all, .all, .dns, .dns), (all, .all, .all, .all), (all, .nds, .all, .nds),
    ] as [(ServedNameSpaces, NameSpace, NameSpace, NameSpace)])
  func stated(_ spaces: ServedNameSpaces, _ written: NameSpace, _ requested: NameSpace, _ expected: NameSpace) {
    #expect(spaces.stated(written, for: requested) == expected)
  }

  private func manifest(_ text: String) throws(Problems) -> Manifest {
    try Manifest(toml: text, path: "x.toml", over: Manifest(fileName: "x.so"))
  }

  @Test("a manifest says one, some, or all of them, and where it is enumerated")
  func manifests() throws {
    #expect(try manifest("namespace = \"ntds\"").nameSpaces == ServedNameSpaces(.ntds))
    #expect(try manifest("namespace = [\"ntds\", 12]").nameSpaces == ServedNameSpaces(.ntds, further: [.dns]))
    #expect(
      try manifest("namespace = \"all\"\nlisted = [\"ntds\", \"dns\"]").nameSpaces
        == ServedNameSpaces(.all, listed: [.ntds, .dns]))
    #expect(try manifest("listed = [1000]").nameSpaces.enumerated == [NameSpace(rawValue: 1000)])
    #expect(try manifest("namespace = [\"ntds\", \"dns\"]\nlisted = [\"dns\"]").nameSpaces.enumerated == [.dns])
  }

  @Test(
    "what can't be: none, one twice, all or e-mail among others, listed where it is not served",
    arguments: [
      "namespace = []", "namespace = [\"dns\", 12]", "namespace = [\"all\", \"dns\"]", "namespace = [\"dns\", \"email\"]",
      "namespace = [\"dns\", true]", "namespace = true", "listed = []", "listed = [\"all\"]", "listed = [\"dns\", \"dns\"]",
      "listed = \"dns\"", "namespace = \"dns\"\nlisted = [\"ntds\"]",
    ])
  func refused(_ text: String) {
    #expect(throws: Problems.self) { try manifest(text) }
  }

  @Test("serialise = true means a concurrency of one; concurrency and cancel are read, and refused where they are wrong")
  func turns() throws {
    #expect(try manifest("").concurrency == nil && manifest("serialise = true").concurrency == 1)
    #expect(try manifest("concurrency = 7").concurrency == 7 && manifest("serialise = true\nconcurrency = 1").concurrency == 1)
    #expect(try manifest("serialise = false\nconcurrency = 3").concurrency == 3)
    #expect(try !manifest("").endsWait && !manifest("cancel = \"end\"").endsWait && manifest("cancel = \"wait\"").endsWait)
    for text in [
      "concurrency = 0", "concurrency = 4097", "concurrency = \"2\"", "cancel = \"never\"", "cancel = true",
      "serialise = true\nconcurrency = 2",
    ] {
      #expect(throws: Problems.self, "\(text)") { try manifest(text) }
    }
  }
}
