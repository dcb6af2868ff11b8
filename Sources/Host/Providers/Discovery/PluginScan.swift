import BoundedTOML
import CWinsock
import Glibc
import Ownership
import QuerySets

/// Where providers are looked for.
public enum PluginDirectories {
  /// The directories given, else those of `NSP_PLUGIN_PATH`, else the standard ones: the user's own (root has none: what root runs is the
  /// machine's), `lib/nsp` of the prefix that the program is installed in, and those of the machine. A process with raised privileges ignores
  /// the environment, and where its program is.
  /// - Parameter program: The path of the program that runs.
  public static func resolve(
    explicit: [String], environment: [String: String], isPrivileged: Bool, user: uid_t = geteuid(),
    program: String? = runningProgram
  ) -> [String] {
    if let named = named(explicit: explicit, environment: environment, isPrivileged: isPrivileged) { return named }
    let machine = ["/usr/local/lib/nsp", "/usr/lib/nsp"]
    guard !isPrivileged else { return machine }
    let home = user == 0 ? nil : environment["HOME"].map { $0 + "/.local/lib/nsp" }
    let own = program.flatMap(ofPrefix)
    return [home, own.flatMap { machine.contains($0) ? nil : $0 }].compactMap { $0 } + machine
  }

  /// The directories that somebody has named; nil where the standard ones count.
  public static func named(explicit: [String], environment: [String: String], isPrivileged: Bool) -> [String]? {
    if !explicit.isEmpty { return explicit }
    guard !isPrivileged, let path = environment["NSP_PLUGIN_PATH"], !path.isEmpty else { return nil }
    return path.split(separator: ":").map(String.init)
  }

  /// Why directories that somebody has named have no providers: one that is not there, a line each.
  public static func defects(of named: [String]) -> [(detail: String, remedy: String)] {
    named.compactMap { directory in
      var status = stat()
      let isThere = stat(directory, &status) == 0
      if isThere, status.st_mode & S_IFMT == S_IFDIR { return nil }
      let why = isThere ? "is not a directory" : String(cString: strerror(errno))
      return ("plugin directory \(directory): \(why)", "make it, or name another one")
    }
  }

  /// `PREFIX/lib/nsp` of `PREFIX/bin/PROGRAM`.
  private static func ofPrefix(_ program: String) -> String? {
    var parts = program.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts[parts.count - 2] == "bin" else { return nil }
    parts.removeLast(2)
    return parts.joined(separator: "/") + "/lib/nsp"
  }

  /// Where the program of this process is, or was before another one took its place.
  public static let runningProgram: String? = {
    let path = [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
      count = max(
        0,
        readlink("/proc/self/exe", UnsafeMutableRawPointer(buffer.baseAddress!).assumingMemoryBound(to: CChar.self), buffer.count)
      )
    }
    guard let text = String(validating: path, as: UTF8.self), text.hasPrefix("/") else { return nil }
    return text.hasSuffix(" (deleted)") ? String(text.dropLast(" (deleted)".count)) : text
  }()
}

/// Looks at every `*.so` of the plugin directories without loading any: no code of a provider runs here.
public struct PluginScan: Sendable {
  private let directories: [String]
  private let hostExports: Set<String>
  private let settle: @Sendable (inout Manifest) -> Void

  /// - Parameters:
  ///   - hostExports: The symbols that the host supplies to providers.
  ///   - settle: Has the last word on what a manifest says.
  public init(
    directories: [String], hostExports: Set<String>, settle: @escaping @Sendable (inout Manifest) -> Void = { _ in }
  ) {
    self.directories = directories
    self.hostExports = hostExports
    self.settle = settle
  }

  /// Every candidate, directory by directory, sorted by name within each. A directory that doesn't exist has none.
  /// - Parameter taken: Ids that a file elsewhere has already.
  public func candidates(taken: [GUID: String] = [:]) -> [Candidate] {
    let libraries = LibrarySearch()
    let trust = Trust()
    var owners = taken
    var candidates: [Candidate] = []
    for directory in directories {
      guard let stream = opendir(directory) else { continue }
      defer { closedir(stream) }
      let (names, unnameable) = Self.names(in: stream)
      for name in unnameable {
        candidates.append(
          Self.refused(
            directory + "/" + name, .badName, "its name is not UTF-8: \\x stands before each byte that is not",
            "give the file a name in UTF-8"))
      }
      let modules = names.keys.filter { $0.hasSuffix(".so") }.sorted()
      if modules.isEmpty { continue }
      let objection = trust.objection(toDirectory: directory)
      for name in modules {
        let path = directory + "/" + name
        if let objection {
          candidates.append(Self.refused(path, .untrusted, objection.detail, objection.remedy))
          continue
        }
        let sidecar = String(name.dropLast(3)) + ".toml"
        var candidate = inspect(
          path, name, in: dirfd(stream), names[sidecar] != nil ? directory + "/" + sidecar : nil,
          mayBeLink: names[name] != Int(DT_REG), trust, libraries)
        if let id = candidate.manifest?.id {
          switch candidate.state {
          case .ready, .disabled:
            if let owner = owners[id] { candidate.state = .superseded(by: owner) } else { owners[id] = path }
          case .superseded, .refused: break
          }
        }
        candidates.append(candidate)
      }
    }
    return candidates
  }

  /// Inspects one file, wherever it is.
  /// - Parameter installation: Whose file it is, where it is one that was installed.
  public func candidate(at path: String, of installation: Installation? = nil) -> Candidate {
    let cut = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let directory = cut.map { String(path[..<$0]) } ?? "."
    let sidecar = (path.hasSuffix(".so") ? String(path.dropLast(3)) : path) + ".toml"
    if let objection = Trust().objection(toDirectory: directory.isEmpty ? "/" : directory) {
      return Self.refused(path, .untrusted, objection.detail, objection.remedy)
    }
    return inspect(
      path, path, in: AT_FDCWD, access(sidecar, F_OK) == 0 ? sidecar : nil, mayBeLink: true, Trust(),
      LibrarySearch(), installation)
  }

  /// - Parameter name: What to open, relative to `directory`.
  private func inspect(
    _ path: String, _ name: String, in directory: Int32, _ sidecar: String?, mayBeLink: Bool, _ trust: Trust,
    _ libraries: LibrarySearch, _ installation: Installation? = nil
  ) -> Candidate {
    // Non-blocking: a FIFO of this name must not hold the scan.
    let descriptor = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      return Self.refused(path, .unreadable, String(cString: strerror(errno)), "make it readable, or remove it")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      return Self.refused(path, .unreadable, "it is not a regular file", "remove it")
    }
    if let objection = trust.objection(to: status, path) ?? (mayBeLink ? linkObjection(path, trust) : nil) {
      return Self.refused(path, .untrusted, objection.detail, objection.remedy)
    }
    guard let bytes = FileBytes(descriptor: descriptor, size: Int(status.st_size)) else {
      return Self.refused(path, .notAnELFFile, "it is empty", "replace it with a shared object, or remove it")
    }
    var image: ELFImage
    do throws(ELFImage.Defect) { image = try ELFImage(bytes) } catch { return Self.refused(path, error) }
    var manifest: Manifest
    do throws(Refusal) { manifest = try self.manifest(path, sidecar, image, trust) } catch {
      image.forgetContents()
      return Candidate(path: path, state: .refused(error), image: image, version: FileVersion(status))
    }
    if let installation { manifest = installation.manifest(over: manifest) }
    if image.isVersion1 {
      // Its routines are synchronous (nsp.md §6).
      manifest.isBlocking = true
      manifest.concurrency = manifest.concurrency ?? Self.version1Concurrency
    }
    settle(&manifest)
    let state = judge(path, &image, manifest, libraries)
    image.forgetContents()
    return Candidate(path: path, state: state, manifest: manifest, image: image, version: FileVersion(status))
  }

  /// A symlink is judged by its target, and by the folder that the target is in.
  private func linkObjection(_ path: String, _ trust: Trust) -> Objection? {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK, let target = realpath(path, nil) else { return nil }
    defer { free(target) }
    _ = Trust.cutLastPart(target)
    return trust.objection(toDirectory: target)
  }

  private func manifest(_ path: String, _ sidecar: String?, _ image: ELFImage, _ trust: Trust) throws(Refusal) -> Manifest {
    let name = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[path.utf8.index(after: $0)...]) } ?? path
    let (own, text): (Manifest, String?)
    do throws(Manifest.Defect) {
      own = try image.manifestNote.map { note throws(Manifest.Defect) in try Manifest(note: note) } ?? Manifest(fileName: name)
      text = try sidecar.map { sidecar throws(Manifest.Defect) in try Self.text(of: sidecar, trust) }
    } catch {
      throw Refusal(path: path, reason: .badManifest, detail: error.detail, remedy: error.remedy)
    }
    guard let sidecar, let text else { return own }
    do throws(Problems) { return try Manifest(toml: text, path: sidecar, over: own) } catch {
      throw Refusal(path: path, problems: error)
    }
  }

  private func judge(
    _ path: String, _ image: inout ELFImage, _ manifest: Manifest, _ libraries: LibrarySearch
  ) -> Candidate.State {
    func refused(_ reason: Refusal.Reason, _ detail: String, _ remedy: String) -> Candidate.State {
      .refused(Refusal(path: path, reason: reason, detail: detail, remedy: remedy))
    }
    if !manifest.advertises, !image.exportsModuleLoad {
      let own = ProviderRoutine.allCases.filter { image.defines($0) }
      if own.isEmpty, !image.exportsVersion1 {
        return refused(
          .notAProvider, "it exports no NSPv2 routine, and no NSPStartup",
          "export NSPv2LookupServiceBegin, …NextEx and …End, or remove it")
      }
      let missing = ProviderRoutine.allCases.first { $0.isRequired && !own.contains($0) }
      if !own.isEmpty, !manifest.allowsPartial, let missing {
        return refused(
          .missingRoutine, "\(missing.exportedName) is missing", "export it, or say allow-partial in the manifest")
      }
    }
    let isInProcess = manifest.isolation == .inProcess || image.livesInHost
    switch libraries.examine(&image, path: path, hostExports: hostExports, isInProcess: isInProcess) {
    case .complete: return manifest.isEnabled ? .ready : .disabled
    case .missingLibrary(let name, let by):
      let whose = by == path ? "" : ", needed by \(by)"
      return refused(
        .missingLibrary, "needs \(name), which no directory has\(whose)", "install the package that contains \(name)")
    case .brokenLibrary(let library, let what, let by):
      let whose = by == path ? "" : ", which \(by) needs"
      return refused(
        .missingLibrary, "needs \(library)\(whose), and that can't be loaded: \(what)",
        "replace it by the library for this machine")
    case .secondHost(let library, let by):
      let whose = by == path ? "" : ", which \(by) needs"
      return refused(
        .secondHost, "links a second host: \(library)\(whose)",
        "build it without libnsphost, with the flags of `pkg-config --cflags nsp-provider`: the host supplies its functions")
    case .unresolved(let symbol):
      return refused(
        .unresolvedSymbol, "nobody supplies \(symbol)", "link the library that defines \(symbol), or remove the reference")
    }
  }

  // MARK: Small parts

  /// How many routines of a version 1 provider run at a time, where nobody says otherwise: they were written to be loaded into each
  /// client's process.
  private static let version1Concurrency = 1

  private static func refused(_ path: String, _ reason: Refusal.Reason, _ detail: String, _ remedy: String) -> Candidate {
    Candidate(path: path, state: .refused(Refusal(path: path, reason: reason, detail: detail, remedy: remedy)))
  }

  private static func refused(_ path: String, _ defect: ELFImage.Defect) -> Candidate {
    switch defect {
    case .notELF: refused(path, .notAnELFFile, "it is no ELF file", "replace it with a shared object, or remove it")
    case .wrongMachine(let machine):
      refused(
        path, .wrongMachine, "built for machine \(machine), this one is \(ELFImage.hostMachine) (64-bit, little-endian)",
        "build it for this machine")
    case .damaged(let what): refused(path, .damaged, what, "copy or build it again")
    }
  }

  /// The names of modules and sidecars, each with the kind of file that the directory says it is; and those of modules that are not UTF-8, as
  /// they can be shown.
  private static func names(in stream: OpaquePointer) -> (names: [String: Int], unnameable: [String]) {
    var names: [String: Int] = [:]
    var unnameable: [String] = []
    while let entry = readdir(stream) {
      let (name, shown) = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { (String(validatingCString: $0), String(naming: $0)) }
      }
      if let name, name.hasSuffix(".so") || name.hasSuffix(".toml") { names[name] = Int(entry.pointee.d_type) }
      if name == nil, shown.hasSuffix(".so") { unnameable.append(shown) }
    }
    return (names, unnameable.sorted())
  }

  /// The text of a sidecar, which must be as trustworthy as the file that it speaks for.
  private static func text(of sidecar: String, _ trust: Trust) throws(Manifest.Defect) -> String {
    let descriptor = open(sidecar, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw Manifest.Defect(detail: "\(sidecar): \(String(cString: strerror(errno)))", remedy: "make it readable, or remove it")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= 64 * 1024 else {
      throw Manifest.Defect(detail: "\(sidecar) is not a regular file of at most 64 KiB", remedy: "replace it")
    }
    if let objection = trust.objection(to: status, sidecar) {
      throw Manifest.Defect(detail: objection.detail, remedy: objection.remedy)
    }
    guard status.st_size > 0 else { return "" }
    guard let bytes = FileBytes(descriptor: descriptor, size: Int(status.st_size)),
      let raw = bytes.slice(0, UInt64(status.st_size)), let text = String(validating: raw, as: UTF8.self)
    else { throw Manifest.Defect(detail: "\(sidecar) is not UTF-8 text", remedy: "save it as UTF-8") }
    return text
  }
}
