/// What the dynamic linker says when it can't load a file, in the words of `dlerror`, and what follows from it.
public struct LoaderMessage: Equatable, Sendable {
  public let text: String
  public let reason: Refusal.Reason
  public let remedy: String

  /// - Parameters:
  ///   - text: As `dlerror` has it.
  ///   - path: The file that was to be loaded.
  ///   - isAlone: The process was started for this file, with room for what its tables say.
  public init(_ text: String, path: String, isAlone: Bool) {
    self.text = text
    (reason, remedy) = Self.judge(text, path, isAlone)
  }

  private static func judge(_ text: String, _ path: String, _ isAlone: Bool) -> (Refusal.Reason, String) {
    if text.contains("static TLS") {
      return (
        .failedToLoad,
        isAlone
          ? "build it, and the libraries that it needs, with -ftls-model=global-dynamic"
          : "run it in a worker, whose process keeps room for it: isolation = \"worker\" in its manifest"
      )
    }
    if let (object, why) = split(text, at: ": cannot open shared object file: ") {
      return opening(object, why, path, isAlone)
    }
    if let symbol = split(text, at: "undefined symbol: ")?.1 {
      let name = symbol.prefix { $0 != "," && $0 != " " }
      return (.unresolvedSymbol, "link the library that defines \(name), or remove the reference")
    }
    if let (_, rest) = split(text, at: ": version `"), let (version, _) = split(rest, at: "' not found") {
      let library = split(text, at: ": version `")?.0 ?? ""
      return (
        .missingLibrary, "it was built for a newer \(name(of: library)): build it on this machine, or install one with \(version)"
      )
    }
    let remedies = [
      ("executable stack", "build it with -z noexecstack"),
      ("failed to map segment", "put it on a file system that is not mounted noexec, and see the limits of memory"),
      ("cannot be dlopen()ed", "link it without -z nodlopen"),
      ("cannot dynamically load", "build it as a shared object: -shared"),
      ("cannot allocate memory", "give the process more memory"), ("Cannot allocate memory", "give the process more memory"),
      ("wrong ELF class", "build all of it for this machine"), ("invalid ELF header", "replace it by a shared object"),
      ("file too short", "copy or build it again"),
    ]
    let remedy = remedies.first { text.contains($0.0) }?.1
    return (.failedToLoad, remedy ?? "make the file loadable: ldd \(path) shows what it needs")
  }

  /// The file, or a library that it needs, could not be opened.
  private static func opening(_ object: String, _ why: String, _ path: String, _ isAlone: Bool) -> (Refusal.Reason, String) {
    let isItself = object == path || name(of: object) == name(of: path)
    if why.hasPrefix("No such file") {
      if isItself { return (.failedToLoad, "put it back, or remove its entry") }
      return (.missingLibrary, "install the package that contains \(name(of: object))")
    }
    if why.hasPrefix("Permission denied") {
      let confined = isAlone ? ", and name its folder in allow-read where the provider is confined" : ""
      return (isItself ? .failedToLoad : .missingLibrary, "make \(object) readable\(confined)")
    }
    if why.hasPrefix("Too many open files") { return (.failedToLoad, "raise the limit of descriptors") }
    return (.failedToLoad, "see what is the matter with \(object)")
  }

  private static func name(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

  private static func split(_ text: String, at mark: String) -> (String, String)? {
    text.firstRange(of: mark).map { (String(text[..<$0.lowerBound]), String(text[$0.upperBound...])) }
  }
}
