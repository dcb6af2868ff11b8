import CDynamicLinker
import Glibc

/// Finds the libraries that a file needs, as the dynamic linker would, and says which of its symbols nobody will supply.
/// Libraries are inspected once per search and never loaded.
public final class LibrarySearch {
  /// `LD_LIBRARY_PATH` as the dynamic linker takes it: not at all in a process with raised privileges.
  public static var environmentPath: String? {
    nsp_secure_execution() != 0 ? nil : getenv("LD_LIBRARY_PATH").map { String(cString: $0) }
  }

  private var images: [String: ELFImage?] = [:]
  private var closures: [[String]: [ELFImage]] = [:]
  private let searchPath: [String]
  private lazy var loaded = Self.loadedLibraries()

  init(environmentPath: String?) {
    searchPath =
      (environmentPath.map { $0.split(separator: ":").map(String.init) } ?? []) + [
        "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64",
        "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib",
      ]
  }

  enum Finding: Equatable {
    case complete
    case missingLibrary(String, neededBy: String)
    case unresolved(String)
  }

  /// Looks at everything that the image needs, directly and through its libraries.
  func examine(_ image: ELFImage, path: String, hostExports: Set<String>) -> Finding {
    let key = key(image, path)
    let closure: [ELFImage]
    if let known = closures[key] {
      closure = known
    } else {
      var found: [ELFImage] = []
      var seen: Set<String> = []
      var queue: [(name: String, from: ELFImage, path: String)] = image.needed.map { ($0, image, path) }
      while !queue.isEmpty {
        let (name, from, origin) = queue.removeFirst()
        guard seen.insert(name).inserted else { continue }
        guard let (library, libraryPath) = find(name, neededBy: from, at: origin) else {
          return .missingLibrary(name, neededBy: origin)
        }
        found.append(library)
        queue += library.needed.map { ($0, library, libraryPath) }
      }
      closures[key] = found
      closure = found
    }
    for symbol in image.imported where !symbol.isWeak && !hostExports.contains(symbol.name) {
      var name = symbol.name
      let isSupplied = name.withUTF8 { text in
        let raw = UnsafeRawBufferPointer(text)
        return image.definesSymbol(raw) || closure.contains { $0.definesSymbol(raw) }
      }
      if !isSupplied { return .unresolved(symbol.name) }
    }
    return .complete
  }

  /// How much static thread-local storage the libraries of an image take that was examined.
  func staticTLS(of image: ELFImage, path: String) -> Int { (closures[key(image, path)] ?? []).reduce(0) { $0 + $1.staticTLS } }

  /// Where a run path is given, what is found depends on it and on where the file is.
  private func key(_ image: ELFImage, _ path: String) -> [String] {
    image.runPath.isEmpty ? image.needed : image.needed + ["|"] + image.runPath + ["|", directory(of: path)]
  }

  private func find(_ name: String, neededBy image: ELFImage, at path: String) -> (ELFImage, String)? {
    if name.contains("/") { return self.image(at: name).map { ($0, name) } }
    let own = image.runPath.map { part in
      part.replacing("$ORIGIN", with: directory(of: path)).replacing("${ORIGIN}", with: directory(of: path))
    }
    for folder in own + searchPath {
      if let found = self.image(at: folder + "/" + name) { return (found, folder + "/" + name) }
    }
    if let path = loaded[name], let found = self.image(at: path) { return (found, path) }
    if let path = Cache.shared?.path(of: name), let found = self.image(at: path) { return (found, path) }
    return nil
  }

  private func image(at path: String) -> ELFImage? {
    if let known = images[path] { return known }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      images[path] = .some(nil)
      return nil
    }
    defer { close(descriptor) }
    var status = stat()
    var found: ELFImage?
    if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      let bytes = FileBytes(mapping: descriptor, size: Int(status.st_size))
    {
      found = try? ELFImage(bytes, readsSymbols: false)
    }
    images[path] = .some(found)
    return found
  }

  private func directory(of path: String) -> String {
    path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? "."
  }

  /// What this process has loaded already: a provider that needs one of these gets that one.
  private static func loadedLibraries() -> [String: String] {
    final class Box { var paths: [String: String] = [:] }
    let box = Box()
    nsp_each_library(
      { name, context in
        guard let name, let context else { return }
        let path = String(cString: name)
        // Borrowed: `box` outlives this call.
        let box = Unmanaged<Box>.fromOpaque(context).takeUnretainedValue()
        box.paths[path.split(separator: "/").last.map(String.init) ?? path] = path
      }, Unmanaged.passUnretained(box).toOpaque())
    return box.paths
  }

  /// /etc/ld.so.cache in the format of glibc 2.2 and later.
  private struct Cache {
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

    func path(of name: String) -> String? {
      guard let count = bytes.number(20, as: UInt32.self) else { return nil }
      for index in 0..<UInt64(count) {
        let entry = 48 + index * 24
        guard let key = bytes.number(entry + 4, as: UInt32.self), let value = bytes.number(entry + 8, as: UInt32.self),
          let text = bytes.text(UInt64(key))
        else { return nil }
        if text.elementsEqual(name.utf8) { return bytes.text(UInt64(value)).map { String(decoding: $0, as: UTF8.self) } }
      }
      return nil
    }
  }
}
