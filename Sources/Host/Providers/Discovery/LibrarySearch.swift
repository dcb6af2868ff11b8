import CDynamicLinker
import Glibc
import Synchronization

/// Finds the libraries that a file needs, as the dynamic linker would, and says which of its symbols nobody will supply.
/// Libraries are inspected once per search and never loaded.
///
/// The order is that of glibc: what is loaded already, DT_RPATH of the file and of the files that brought it, LD_LIBRARY_PATH, DT_RUNPATH,
/// the cache of ldconfig, the linker's own folders. The folders of processors that glibc used before 2.37 (`haswell`, `tls`) are left out.
final class LibrarySearch {
  private var files: [String: Opened] = [:]
  private var closures: [Key: Result<[Found], Defect>] = [:]
  private let linker = DynamicLinker.own

  /// A file at a path.
  private enum Opened {
    /// None that the dynamic linker would stop at.
    case absent
    case image(ELFImage)
    /// The dynamic linker takes it, and fails.
    case broken(String)
  }

  /// A file that comes along.
  private final class Found {
    let image: ELFImage
    let path: String
    /// The one that needs it; nil for the file itself.
    let loader: Found?
    /// It is in the process already.
    let isLoaded: Bool

    init(_ image: ELFImage, _ path: String, neededBy loader: Found?, isLoaded: Bool = false) {
      (self.image, self.path, self.loader, self.isLoaded) = (image, path, loader, isLoaded)
    }
  }

  /// What the libraries of a file depend on.
  private struct Key: Hashable {
    var needed: [String]
    var paths: [[String]?]
    var avoidsDefaultFolders: Bool
    /// Nil where it does not matter.
    var folder: String?
    var isInProcess: Bool
  }

  private enum Defect: Error {
    case missing(String, neededBy: String)
    case broken(String, what: String, neededBy: String)
  }

  enum Finding: Equatable {
    case complete
    case missingLibrary(String, neededBy: String)
    /// The dynamic linker finds it, and can't load it.
    case brokenLibrary(String, what: String, neededBy: String)
    /// A library that is a host itself.
    case secondHost(String, neededBy: String)
    case unresolved(String)
  }

  /// Looks at everything that the image needs, directly and through its libraries, and notes in it what they bring.
  /// - Parameter isInProcess: It is to be loaded into this process, where it meets what was loaded since the start.
  func examine(_ image: inout ELFImage, path: String, hostExports: Set<String>, isInProcess: Bool) -> Finding {
    let libraries: [Found]
    switch closure(of: image, path, isInProcess: isInProcess) {
    case .failure(.missing(let name, let by)): return .missingLibrary(name, neededBy: by)
    case .failure(.broken(let library, let what, let by)): return .brokenLibrary(library, what: what, neededBy: by)
    case .success(let found): libraries = found
    }
    image.staticTLS += libraries.reduce(0) { $0 + $1.image.staticTLS }
    image.libraries = ELFImage.Libraries(
      paths: libraries.map(\.path), bringingSwift: libraries.first { $0.image.bringsSwift }?.path,
      wantingExecutableStack: libraries.first { $0.image.executableStack != nil && !$0.isLoaded }?.path)
    if let host = libraries.first(where: { Self.isHost($0.image) && $0.path != linker.ownLibrary }) {
      // The file itself, where the key of its libraries is another's.
      return .secondHost(host.path, neededBy: host.loader?.loader == nil ? path : host.loader?.path ?? path)
    }
    for symbol in image.imported where !symbol.isWeak && !hostExports.contains(symbol.name) {
      var name = symbol.name
      let isSupplied = name.withUTF8 { text in
        let raw = UnsafeRawBufferPointer(text)
        return image.definesSymbol(raw) || libraries.contains { $0.image.definesSymbol(raw) }
      }
      if !isSupplied { return .unresolved(symbol.name) }
    }
    return .complete
  }

  /// libnsphost.so, whatever its name.
  private static func isHost(_ image: ELFImage) -> Bool {
    hostNames.allSatisfy { name in name.withUTF8Buffer { image.definesSymbol(UnsafeRawBufferPointer($0)) } }
  }

  /// Functions of a host that no client library has.
  private static let hostNames: [StaticString] = ["NmrRegisterProvider", "NSPHostPackQuerySet"]

  // MARK: The order of the dynamic linker

  private func closure(of image: ELFImage, _ path: String, isInProcess: Bool) -> Result<[Found], Defect> {
    let dependsOnPlace =
      image.runPath != nil || image.inheritedPath != nil || image.needed.contains { $0.contains("/") || $0.contains("$") }
    let key = Key(
      needed: image.needed, paths: [image.runPath, image.inheritedPath], avoidsDefaultFolders: image.avoidsDefaultFolders,
      folder: dependsOnPlace ? directory(of: path) : nil, isInProcess: isInProcess)
    if let known = closures[key] { return known }
    let result = Result { () throws(Defect) in try look(image, path, isInProcess: isInProcess) }
    closures[key] = result
    return result
  }

  private func look(_ image: ELFImage, _ path: String, isInProcess: Bool) throws(Defect) -> [Found] {
    let loaded = isInProcess ? DynamicLinker.loadedLibraries() : linker.begun
    let file = Found(image, path, neededBy: nil)
    /// By every name by which it is known to be there.
    var known: [String: Found] = [path: file]
    if let name = image.soname { known[name] = file }
    var found: [Found] = []
    var next = [file]
    while !next.isEmpty {
      let loader = next.removeFirst()
      for name in loader.image.needed.compactMap({ expand($0, in: loader) }) where known[name] == nil {
        let library: Found
        if let path = loaded[name], case .image(let image) = open(path) {
          library = Found(image, path, neededBy: loader, isLoaded: true)
        } else {
          library = try find(name, neededBy: loader)
        }
        // The same file by another path.
        if let same = known[library.path] {
          known[name] = same
          continue
        }
        for name in [name, library.path, library.image.soname ?? name] where known[name] == nil { known[name] = library }
        found.append(library)
        next.append(library)
      }
    }
    return found
  }

  private func find(_ name: String, neededBy loader: Found) throws(Defect) -> Found {
    func take(_ path: String) throws(Defect) -> Found? {
      switch open(path) {
      case .absent: return nil
      case .image(let image): return Found(image, path, neededBy: loader)
      case .broken(let what): throw .broken(path, what: what, neededBy: loader.path)
      }
    }
    if name.contains("/") {
      guard let found = try take(name) else { throw .missing(name, neededBy: loader.path) }
      return found
    }
    for folder in folders(for: loader) {
      for kind in linker.processorFolders + [""] {
        if let found = try take(folder + "/" + kind + name) { return found }
      }
    }
    if let path = DynamicLinker.Cache.shared?.path(of: name, linker.processorNames), let found = try take(path),
      !loader.image.avoidsDefaultFolders || !linker.defaultFolders.contains(where: { path.hasPrefix($0 + "/") })
    {
      return found
    }
    for folder in loader.image.avoidsDefaultFolders ? [] : linker.defaultFolders {
      for kind in linker.processorFolders + [""] {
        if let found = try take(folder + "/" + kind + name) { return found }
      }
    }
    throw .missing(name, neededBy: loader.path)
  }

  /// Where the libraries of a file are looked for before the places of the system.
  private func folders(for loader: Found) -> [String] {
    var folders: [String] = []
    if loader.image.runPath == nil {
      // Each is expanded for the file that it stands in.
      var file: Found? = loader
      while let current = file {
        folders += (current.image.inheritedPath ?? []).compactMap { expand($0, in: current) }
        file = current.loader
      }
      folders += linker.inheritedFolders
    }
    folders += linker.environmentFolders
    folders += (loader.image.runPath ?? []).compactMap { expand($0, in: loader) }
    return folders.map { $0.isEmpty ? "." : $0 }
  }

  private func expand(_ text: String, in file: Found) -> String? { linker.expand(text, origin: directory(of: file.path)) }

  private func open(_ path: String) -> Opened {
    if let known = files[path] { return known }
    let opened = Self.read(path)
    files[path] = opened
    return opened
  }

  private static func read(_ path: String) -> Opened {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return .absent }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return .absent }
    guard status.st_mode & S_IFMT == S_IFREG else { return .broken("it is no regular file") }
    guard let bytes = FileBytes(mapping: descriptor, size: Int(status.st_size)) else { return .broken("it is empty") }
    do throws(ELFImage.Defect) { return .image(try ELFImage(bytes, readsSymbols: false)) } catch {
      switch error {
      // Such a one is passed over.
      case .wrongMachine: return .absent
      case .notELF: return .broken("it is no ELF file")
      case .damaged(let what): return .broken(what)
      }
    }
  }

  private func directory(of path: String) -> String { DynamicLinker.directory(of: path) }
}

/// What the dynamic linker of this process goes by, as far as it is the same for every file.
private struct DynamicLinker: Sendable {
  /// Of LD_LIBRARY_PATH, as the process was started.
  var environmentFolders: [String] = []
  var defaultFolders: [String] = []
  /// Of the program's own DT_RPATH, which counts for all that it loads.
  var inheritedFolders: [String] = []
  /// What was loaded before the first file was looked at: a process that is started for a provider has the same.
  let begun = Self.loadedLibraries()
  let ownLibrary = nsp_own_library().map { String(cString: $0) }
  /// The names of what this processor can do, best first, and the folders of libraries for it.
  let processorNames = (0..<8).compactMap { nsp_processor_folder($0).map { String(cString: $0) } }
  var processorFolders: [String] { processorNames.map { "glibc-hwcaps/\($0)/" } }
  private let platform = nsp_platform().map { String(cString: $0) }

  /// Read once, before the first file is loaded: later the dynamic linker may be busy.
  static let own = DynamicLinker()

  private init() {
    final class Box { var folders: [String] = [] }
    let box = Box()
    nsp_each_search_folder(
      { name, context in
        guard let name, let context else { return }
        // Borrowed: `box` outlives this call.
        Unmanaged<Box>.fromOpaque(context).takeUnretainedValue().folders.append(String(cString: name))
      }, Unmanaged.passUnretained(box).toOpaque())
    // Its own begin with the one that libc is in.
    let first = begun["libc.so.6"].map { Self.directory(of: $0) }.flatMap { box.folders.firstIndex(of: $0) } ?? 0
    defaultFolders = Array(box.folders[first...])
    guard let program = realpath("/proc/self/exe", nil) else { return }
    defer { free(program) }
    let (path, origin) = (String(cString: program), Self.directory(of: String(cString: program)))
    inheritedFolders = Self.inheritedFolders(of: path).compactMap { expand($0, origin: origin) }
    // Not at all in a process with raised privileges.
    guard nsp_secure_execution() == 0, let given = getenv("LD_LIBRARY_PATH"), given.pointee != 0 else { return }
    environmentFolders = String(cString: given).split(omittingEmptySubsequences: false) { $0 == ":" || $0 == ";" }
      .compactMap { expand(String($0), origin: origin) }
  }

  private static func inheritedFolders(of program: String) -> [String] {
    let descriptor = open(program, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, let bytes = FileBytes(mapping: descriptor, size: Int(status.st_size)) else {
      return []
    }
    return (try? ELFImage(bytes, readsSymbols: false))?.inheritedPath ?? []
  }

  static func directory(of path: String) -> String {
    path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? "."
  }

  /// What `$LIB` stands for: the linker's first folder, as it is under / and /usr.
  private var lib: String? {
    defaultFolders.first.map { folder in
      let name = folder.drop { $0 == "/" }
      return String(name.hasPrefix("usr/") ? name.dropFirst(4) : name)
    }
  }

  /// Puts in what `$ORIGIN`, `$LIB` and `$PLATFORM` stand for, with and without braces. Nil where it is not known: then the part of the path
  /// does not count.
  func expand(_ text: String, origin: String) -> String? {
    guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
    var expanded = ""
    var rest = Substring(text)
    while let sign = rest.firstIndex(of: "$") {
      expanded += rest[..<sign]
      rest = rest[sign...]
      let tokens = [("ORIGIN", origin), ("LIB", lib), ("PLATFORM", platform)]
      guard let (size, value) = tokens.lazy.compactMap({ name, value in Self.size(of: name, in: rest).map { ($0, value) } }).first
      else {
        expanded += "$"
        rest = rest.dropFirst()
        continue
      }
      guard let value else { return nil }
      expanded += value
      rest = rest.dropFirst(size)
    }
    return expanded + rest
  }

  /// How many characters `$NAME` or `${NAME}` takes at the start of a text; nil where it is something else.
  private static func size(of name: String, in text: Substring) -> Int? {
    if text.hasPrefix("${\(name)}") { return name.count + 3 }
    guard text.hasPrefix("$" + name) else { return nil }
    let next = text.dropFirst(name.count + 1).utf8.first
    let isLonger = next.map { $0 == UInt8(ascii: "_") || isalnum(Int32($0)) != 0 && $0 < 128 } ?? false
    return isLonger ? nil : name.count + 1
  }

  /// What this process has loaded: whoever needs one of these gets that one. By the names that they give themselves, or else those of
  /// their files, and by their paths.
  static func loadedLibraries() -> [String: String] {
    final class Box { var paths: [String: String] = [:] }
    let box = Box()
    nsp_each_library(
      { path, name, context in
        guard let path, let context else { return }
        // Borrowed: `box` outlives this call.
        let box = Unmanaged<Box>.fromOpaque(context).takeUnretainedValue()
        let text = String(cString: path)
        box.paths[text] = text
        box.paths[name.map { String(cString: $0) } ?? text.split(separator: "/").last.map(String.init) ?? text] = text
      }, Unmanaged.passUnretained(box).toOpaque())
    return box.paths
  }

  /// /etc/ld.so.cache in the format of glibc 2.2 and later.
  struct Cache: Sendable {
    static let shared = Cache()
    private let bytes: FileBytes

    init?() {
      let descriptor = open("/etc/ld.so.cache", O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return nil }
      defer { close(descriptor) }
      var status = stat()
      guard fstat(descriptor, &status) == 0, let bytes = FileBytes(mapping: descriptor, size: Int(status.st_size)),
        bytes.slice(0, 20)?.elementsEqual("glibc-ld.so.cache1.1".utf8) == true
      else { return nil }
      self.bytes = bytes
    }

    /// Libraries of this machine: FLAG_ELF_LIBC6 with FLAG_X8664_LIB64 or FLAG_AARCH64_LIB64.
    private static let kind: UInt32 = ELFImage.hostMachine == 183 ? 0x0A03 : 0x0303

    /// - Parameter processors: The names of what this processor can do, best first.
    func path(of name: String, _ processors: [String]) -> String? {
      guard let count = bytes.number(20, as: UInt32.self) else { return nil }
      var best: (rank: Int, path: UInt32)?
      for index in 0..<UInt64(count) {
        let entry = 48 + index * 24
        guard let kind = bytes.number(entry, as: UInt32.self), let key = bytes.number(entry + 4, as: UInt32.self),
          let value = bytes.number(entry + 8, as: UInt32.self), let processor = bytes.number(entry + 16, as: UInt64.self),
          let text = bytes.text(UInt64(key))
        else { return nil }
        guard kind == Self.kind, text.elementsEqual(name.utf8) else { continue }
        // Bit 62: the low half is the number of a name of glibc-hwcaps. Others are of processors that glibc no longer tells apart.
        let rank: Int?
        if processor >> 32 == 1 << 30 {
          rank = processorName(UInt32(truncatingIfNeeded: processor)).flatMap { processors.firstIndex(of: $0) }
        } else {
          rank = processor == 0 ? processors.count : nil
        }
        if let rank, rank < best?.rank ?? .max { best = (rank, value) }
      }
      return best.flatMap { bytes.text(UInt64($0.path)) }.map { String(decoding: $0, as: UTF8.self) }
    }

    /// From the extension of the cache: a section of offsets of texts.
    private func processorName(_ number: UInt32) -> String? {
      guard let start = bytes.number(32, as: UInt32.self).map(UInt64.init), bytes.number(start, as: UInt32.self) == 0xEAA4_2174,
        let sections = bytes.number(start + 4, as: UInt32.self)
      else { return nil }
      for index in 0..<UInt64(min(sections, 64)) {
        let section = start + 8 + index * 16
        guard bytes.number(section, as: UInt32.self) == 1, let offset = bytes.number(section + 8, as: UInt32.self),
          let size = bytes.number(section + 12, as: UInt32.self), number < size / 4
        else { continue }
        return bytes.number(UInt64(offset) + UInt64(number) * 4, as: UInt32.self).flatMap { bytes.text(UInt64($0)) }
          .map { String(decoding: $0, as: UTF8.self) }
      }
      return nil
    }
  }
}
