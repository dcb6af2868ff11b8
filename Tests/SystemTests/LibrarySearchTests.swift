import Foundation
import Testing

/// Where the libraries of a provider are found: the host's search is the dynamic linker's own.
@Suite(.timeLimit(.minutes(5))) struct LibrarySearchTests {
  /// A provider p.so that needs liba.so, which needs libb.so, in a folder of its own.
  struct Layout: Sendable, CustomTestStringConvertible {
    var name: String
    /// What comes along, relative to the folder. Without any the provider is refused.
    var expected: [String]
    var providerFlags: [String] = []
    var libraryFlags: [String] = []
    /// Where liba.so and libb.so are.
    var places = ("lib", "lib")
    var soname = "liba.so"

    var testDescription: String { name }

    /// With these in the place of `LIB` and `PLATFORM`, which the dynamic linker knows; none where it does not.
    fileprivate func resolved(_ linker: DynamicLinker) -> Layout? {
      guard let word = ["LIB": linker.library, "PLATFORM": linker.platform].first(where: { places.0.hasSuffix($0.key) }) else {
        return self
      }
      guard let value = word.value else { return nil }
      var layout = self
      func replace(_ text: String) -> String { text.replacing(word.key, with: value) }
      layout.expected = expected.map(replace)
      layout.places = (replace(places.0), replace(places.1))
      return layout
    }
  }

  /// What the dynamic linker of this machine says of itself.
  fileprivate struct DynamicLinker {
    var library: String?
    var platform: String?
    var hasVersion2 = false

    init() async throws {
      let linker = Program(path: "/usr/bin/env", words: ["/lib64/ld-linux-x86-64.so.2"])
      let said = try await linker.run("--list-diagnostics").output
      library = said.firstMatch(of: /(?m)^dl_dst_lib="(.+)"/).map { String($0.1) }
      platform = said.firstMatch(of: /(?m)^dl_platform="(.+)"/).map { String($0.1) }
      hasVersion2 = try await linker.run("--help").output.contains("x86-64-v2 (supported")
    }
  }

  private static func rpath(_ places: String) -> [String] { ["-Wl,--disable-new-dtags", "-Wl,-rpath," + places] }
  private static func runpath(_ places: String) -> [String] { ["-Wl,--enable-new-dtags", "-Wl,-rpath," + places] }
  private static let both = ["lib/liba.so", "lib/libb.so"]
  private static let inherited = Layout(
    name: "DT_RPATH with $ORIGIN is inherited", expected: both, providerFlags: rpath("$ORIGIN/lib"))

  static let layouts = [
    inherited,
    Layout(name: "DT_RUNPATH is not inherited", expected: [], providerFlags: runpath("$ORIGIN/lib")),
    Layout(
      name: "DT_RUNPATH of a library hides the DT_RPATH of who needs it", expected: [], providerFlags: rpath("$ORIGIN/lib"),
      libraryFlags: runpath("/nowhere")),
    Layout(
      name: "$ORIGIN is that of the file in which it stands", expected: ["lib/liba.so", "lib/more/libb.so"],
      providerFlags: rpath("$ORIGIN/lib"), libraryFlags: rpath("$ORIGIN/more"), places: ("lib", "lib/more")),
    Layout(name: "$LIB", expected: ["LIB/liba.so", "LIB/libb.so"], providerFlags: rpath("$ORIGIN/$LIB"), places: ("LIB", "LIB")),
    Layout(
      name: "${LIB}, and $LIBRARY, which is nothing", expected: ["LIB/liba.so", "LIB/libb.so"],
      providerFlags: rpath("$ORIGIN/$LIBRARY:$ORIGIN/${LIB}"), places: ("LIB", "LIB")),
    Layout(
      name: "$PLATFORM", expected: ["on/PLATFORM/liba.so", "on/PLATFORM/libb.so"], providerFlags: rpath("${ORIGIN}/on/$PLATFORM"),
      places: ("on/PLATFORM", "on/PLATFORM")),
    Layout(
      name: "a name that is a path with $ORIGIN", expected: both, libraryFlags: rpath("$ORIGIN"), soname: "$ORIGIN/lib/liba.so"),
    Layout(name: "a name that is a path", expected: both, libraryFlags: rpath("$ORIGIN"), soname: "/lib/liba.so"),
    Layout(name: "one that nobody has", expected: []),
  ]

  /// The files of one test, with the program that loads as a host does.
  private struct Search: Sendable {
    let files: LoadedFiles

    init() async throws {
      files = try LoadedFiles()
      try await compile([LoadedFiles.sources + "opens.c"], to: files["opens"])
    }

    /// Makes the files of a layout in a folder. A name that begins with a slash begins in the folder.
    func make(_ folder: String, _ layout: Layout) async throws {
      let (a, b) = ("\(folder)/\(layout.places.0)", "\(folder)/\(layout.places.1)")
      let soname = layout.soname.hasPrefix("/") ? files[folder] + layout.soname : layout.soname
      try await files.library(b + "/libb.so", "b", "-Wl,-soname,libb.so")
      try await files.library(
        a + "/liba.so", source: "int b(void); int a(void) { return b(); }",
        layout.libraryFlags + ["-Wl,-soname," + soname, "-L" + files[b], "-lb"])
      try await files.shared(
        [
          "-DNAME=\"\(folder)\"", "-DNUMBER=0", "-o", files[folder + "/p.so"], LoadedFiles.sources + "loading.c", "-DNEEDS=a",
          "-L" + files[a], "-l:liba.so", "-Wl,--allow-shlib-undefined",
        ] + layout.providerFlags)
    }

    /// Expects that this comes along with folder/p.so, by the dynamic linker and by the host. Without any it is refused.
    /// - Parameters:
    ///   - libraryPath: LD_LIBRARY_PATH of both.
    ///   - current: The current folder of both.
    func agrees(
      _ expected: [String], _ folder: String, libraryPath: String? = nil, in current: String = "",
      sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
      let file = files[folder + "/p.so"]
      let words = ["-C", files[current], "-u", "LD_LIBRARY_PATH"] + (libraryPath.map { ["LD_LIBRARY_PATH=" + $0] } ?? [])
      let opened = try await Program(path: "/usr/bin/env", words: words + [files["opens"]]).run(file, files.path)
      let theirs = opened.output.split(separator: "\n").map(String.init).sorted()
      let wanted = expected.isEmpty ? ["refused"] : expected.map { files["\(folder)/\($0)"] }
      #expect(theirs == wanted, "the dynamic linker: \(opened)", sourceLocation: sourceLocation)
      let ours = try await inspected(file, words, in: files[current])
      #expect(ours == wanted, "the host", sourceLocation: sourceLocation)
    }

    private func inspected(_ file: String, _ words: [String], in current: String) async throws -> [String] {
      struct Document: Decodable {
        struct Provider: Decodable {
          struct Refusal: Decodable { var reason: String }
          struct File: Decodable { var libraries: [String] }
          var refused: Refusal?, file: File?
        }
        var provider: Provider
      }
      let environment = ["NSP_SOCKET": files["none"], "STATE_DIRECTORY": files["state"]]
      let command = Program(path: "/usr/bin/env", environment: environment, words: words + [Built.nsphost])
      let provider = try await command.document(Document.self, "inspect", file).provider
      if let reason = provider.refused?.reason { return [reason == "missing-library" ? "refused" : reason] }
      let libraries = try #require(provider.file, "\(provider)").libraries
      let base = URL(filePath: current, directoryHint: .isDirectory)
      return libraries.map { URL(filePath: $0, relativeTo: base).absoluteURL.resolvingSymlinksInPath().path }
        .filter { $0.hasPrefix(files.path) }.sorted()
    }
  }

  @Test("run paths, their tokens, and names of libraries that are paths", arguments: layouts)
  func layout(_ layout: Layout) async throws {
    // A dynamic linker that does not say what the token is can't be compared.
    guard let layout = layout.resolved(try await DynamicLinker()) else { return }
    let search = try await Search()
    try await search.make("folder", layout)
    try await search.agrees(layout.expected, "folder")
  }

  @Test("the folder of a processor comes first, that of another processor does not count")
  func processors() async throws {
    guard try await DynamicLinker().hasVersion2 else { return }
    let search = try await Search()
    try await search.make("both", Self.inherited)
    try await search.files.library("both/lib/glibc-hwcaps/x86-64-v2/libb.so", "b", "-Wl,-soname,libb.so")
    try await search.agrees(["lib/glibc-hwcaps/x86-64-v2/libb.so", "lib/liba.so"], "both")

    var layout = Self.inherited
    layout.places = ("lib/glibc-hwcaps/x86-64-v2", "lib")
    try await search.make("only", layout)
    try await search.agrees(["lib/glibc-hwcaps/x86-64-v2/liba.so", "lib/libb.so"], "only")

    try await search.make("other", Self.inherited)
    try await search.files.library("other/lib/glibc-hwcaps/power10/libb.so", "b", "-Wl,-soname,libb.so")
    try await search.agrees(Self.both, "other")
  }

  @Test("a library that is loaded by its path is known by its own name")
  func ownName() async throws {
    let search = try await Search()
    let files = search.files
    try await files.library("own/lib/liba.so", "a")
    try await files.library(
      "own/other/libc2.so", source: "int a(void); int c(void) { return a(); }",
      ["-Wl,-soname,libc2.so", "-L" + files["own/lib"], "-la"])
    // Without a name of its own it is needed by its path; then it gets one.
    try await files.shared(
      [
        "-DNAME=\"own\"", "-DNUMBER=0", "-o", files["own/p.so"], LoadedFiles.sources + "loading.c", "-DNEEDS=c", "-x", "none",
        "-Wl,--no-as-needed", files["own/lib/liba.so"], files["own/other/libc2.so"],
      ] + Self.runpath("$ORIGIN/other"))
    try await files.library("own/lib/liba.so", "a", "-Wl,-soname,liba.so")
    try await search.agrees(["lib/liba.so", "other/libc2.so"], "own")
  }

  @Test("LD_LIBRARY_PATH is before DT_RUNPATH and behind DT_RPATH; an empty part of it is the current folder")
  func environment() async throws {
    let search = try await Search()
    let files = search.files
    let run = Layout(
      name: "", expected: [], providerFlags: Self.runpath("$ORIGIN/lib"), libraryFlags: Self.runpath("$ORIGIN"))
    for (folder, layout, expected) in [("run", run, ["first/liba.so"]), ("r", Self.inherited, Self.both)] {
      try await search.make(folder, layout)
      try await files.library(folder + "/first/liba.so", "a", "-Wl,-soname,liba.so")
      try await search.agrees(expected, folder, libraryPath: files[folder + "/first"])
    }
    try await search.make("here", Layout(name: "", expected: [], places: (".", ".")))
    try await search.agrees(["liba.so", "libb.so"], "here", libraryPath: ":/nowhere", in: "here")
  }

  enum Decoy: String, CaseIterable, Sendable {
    case otherMachine, text, empty
  }

  @Test("a library of another machine is passed over; a text and an empty file in its place are not", arguments: Decoy.allCases)
  func decoy(_ decoy: Decoy) async throws {
    let search = try await Search()
    let folder = search.files.folder
    var layout = Self.inherited
    layout.providerFlags = Self.rpath("$ORIGIN/first:$ORIGIN/lib")
    try await search.make("decoy", layout)
    try folder.make("decoy/first")
    switch decoy {
    case .otherMachine:
      var bytes = try Data(contentsOf: URL(filePath: folder["decoy/lib/liba.so"]))
      bytes.replaceSubrange(18..<20, with: [3, 0])
      try bytes.write(to: URL(filePath: folder["decoy/first/liba.so"]))
    case .text: try folder.write("text\n", to: "decoy/first/liba.so")
    case .empty: try folder.write("", to: "decoy/first/liba.so")
    }
    try await search.agrees(decoy == .otherMachine ? Self.both : [], "decoy")
  }

  @Test("$ORIGIN of a link is the link's folder")
  func link() async throws {
    let search = try await Search()
    let folder = search.files.folder
    try await search.make("real", Self.inherited)
    try folder.make("linked")
    try FileManager.default.createSymbolicLink(atPath: folder["linked/p.so"], withDestinationPath: "../real/p.so")
    try folder.copy(folder["real/lib"], to: "linked/lib")
    try await search.agrees(Self.both, "linked")
  }
}
