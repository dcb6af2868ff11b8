import CDynamicLinker
import CLastWords
import CWinsock
import Glibc
import QuerySets
import Rundown

/// A provider's file in this process: mapped by `init`; `deinit` has it unmapped, when nothing of it runs any more (`MappedFiles`).
///
/// Whoever may still call into the file keeps it alive, so it is unmapped only after the last call has returned.
public final class SharedObject: Sendable {
  public let path: String
  /// Where it is mapped, as `nsp_mapping_base` says of its code; 0 where that is not known.
  public let base: UInt
  public let isUnloadable: Bool
  /// Of all that this process has loaded.
  public let number: UInt64
  private nonisolated(unsafe) let handle: UnsafeMutableRawPointer
  /// Every function that the host may call, by name: found once, because the dynamic linker may be busy with another file later.
  private nonisolated(unsafe) let functions: [String: UnsafeMutableRawPointer]
  /// For what the process says when it dies in one of the file's functions.
  private nonisolated(unsafe) let mark: UnsafeMutablePointer<CChar>?

  /// Runs the file's constructors. `isUnloadable` false keeps it mapped for the life of the process.
  /// - Parameters:
  ///   - name: What people call the provider that is in it; nil: as the file.
  ///   - isAlone: The process was started for this file.
  public init(path: String, name: String? = nil, isUnloadable: Bool, isAlone: Bool = false) throws(Refusal) {
    let fileName = path.split(separator: "/").last.map(String.init) ?? path
    let mark = strdup((name ?? fileName).printable)
    self.mark = mark
    self.path = path
    self.isUnloadable = isUnloadable
    let flags = RTLD_NOW | RTLD_LOCAL | (isUnloadable ? 0 : RTLD_NODELETE)
    _ = dlerror()
    let alias = Self.nextAlias(of: path)
    nsp_linking_begins()
    let opened = Self.marked(mark, "a constructor") { dlopen(alias, flags) }
    nsp_linking_ends()
    guard let handle = opened else {
      free(mark)
      let text = dlerror().map { String(naming: $0) } ?? "the dynamic linker gave no reason"
      let said = LoaderMessage(Self.plain(text, alias, of: path), path: path, isAlone: isAlone)
      throw Refusal(path: path, reason: said.reason, detail: said.text, remedy: said.remedy)
    }
    // The dynamic linker gives out the file that is there, and constructs nothing.
    if MappedFiles.isOver(handle, openedAs: alias) {
      dlclose(handle)
      free(mark)
      throw Refusal(
        path: path, reason: .failedToLoad, detail: "it was unloaded, and is still mapped, since something still runs in it",
        remedy: "replace it by another copy; have it end its threads in NSPModuleUnload")
    }
    self.handle = handle
    let start = nsp_module_base(handle)
    base = UInt(bitPattern: start)
    // One that only a library of the file's defines counts as missing, and so does data.
    functions = Dictionary(
      uniqueKeysWithValues: Self.names.compactMap { name in
        nsp_function(handle, name).flatMap { nsp_mapping_base($0) == start ? (name, $0) : nil }
      })
    if let start { nsp_last_words_know(start, nsp_mapping_size(start), fileName.printable) }
    number = MappedFiles.add(
      .init(path: path, handle: handle, mark: mark, base: UInt(bitPattern: start), isUnloadable: isUnloadable))
  }

  private static let names =
    ProviderRoutine.allCases.map(\.exportedName) + ["NSPModuleLoad", "NSPModuleUnload", "NSPProviderPrepare", "NSPStartup"]

  static func marked<Result>(_ mark: UnsafePointer<CChar>?, _ what: StaticString, _ call: () -> Result) -> Result {
    let outer = nsp_mark_provider(mark)
    nsp_mark_routine(what.utf8Start)
    defer { nsp_mark_restore(outer) }
    return ProcessState.guarding(mark, call)
  }

  /// Calls one of the file's functions: where the process dies in it, that is what it says. Calls out.
  func calling<Result>(_ function: StaticString, _ call: () -> Result) -> Result { Self.marked(mark, function, call) }

  /// How often each path was loaded by this process.
  private static let generations = Locked<[String: Int]>([:])

  /// Another way to write the same path, each time. The dynamic linker gives out the file that it has under a name without looking
  /// at the disk again; a file that replaced it, while the old one is still mapped, needs a name that is new.
  private static func nextAlias(of path: String) -> String {
    let generation = generations.withLock { generations in
      defer { generations[path, default: 0] += 1 }
      return generations[path, default: 0]
    }
    guard generation > 0, let cut = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
    // The number's binary digits, as separators that all mean the same.
    let digits = String(generation, radix: 2).map { $0 == "0" ? "/" : "/./" }
    return path[..<cut] + digits.joined() + path[path.utf8.index(after: cut)...]
  }

  /// What the dynamic linker says, with the folder written as people know it.
  private static func plain(_ text: String, _ alias: String, of path: String) -> String {
    guard alias != path, let cut = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return text }
    let folder = path[..<cut]
    var text = text
    for separator in ["/./", "//"] {
      while text.contains(folder + separator) { text = text.replacing(folder + separator, with: folder + "/") }
    }
    return text
  }

  /// The last reference may go on a thread of the provider, inside a completion.
  deinit { MappedFiles.leave(number) }

  /// Whether an address lies in this file.
  public func contains(_ address: UnsafeRawPointer) -> Bool { UInt(bitPattern: nsp_mapping_base(address)) == base }

  /// Calls the file's `NSPModuleLoad`, if it has one. Calls out.
  /// - Returns: Its status; success where it has none.
  public func callModuleLoad() -> NTSTATUS {
    guard let address = functions["NSPModuleLoad"] else { return 0 }
    return calling("NSPModuleLoad") { unsafeBitCast(address, to: (@convention(c) () -> NTSTATUS).self)() }
  }

  /// Calls the file's `NSPProviderPrepare`, if it has one. Calls out.
  public func callProviderPrepare(_ id: GUID) {
    guard let address = functions["NSPProviderPrepare"] else { return }
    var id = id
    calling("NSPProviderPrepare") { unsafeBitCast(address, to: (@convention(c) (LPGUID?) -> Void).self)(&id) }
  }

  public var preparesProvider: Bool { functions["NSPProviderPrepare"] != nil }

  /// Calls the file's `NSPModuleUnload`, if it has one. Calls out.
  public func callModuleUnload() {
    guard let address = functions["NSPModuleUnload"] else { return }
    calling("NSPModuleUnload") { unsafeBitCast(address, to: (@convention(c) () -> Void).self)() }
  }

  /// Starts the version 1 provider that the file exports, for one id; nil where it exports none. Calls out.
  public func startVersion1(_ manifest: Manifest) throws(Version1Routines.Defect) -> Version1Routines? {
    guard let address = functions["NSPStartup"] else { return nil }
    return try Version1Routines(
      unsafeBitCast(address, to: LPNSPSTARTUP.self), id: manifest.id, allowsPartial: manifest.allowsPartial, file: self)
  }

  /// The routine table that the file's exports amount to: version 1.0, entries that it lacks are NULL (nsp.md §5.1).
  public func exportedRoutines() -> NSPV2_ROUTINE {
    var table = NSPV2_ROUTINE()
    table.cbSize = UInt32(MemoryLayout<NSPV2_ROUTINE>.size)
    table.dwMajorVersion = 1
    table.dwMinorVersion = 0
    withUnsafeMutableBytes(of: &table) { bytes in
      for routine in ProviderRoutine.allCases {
        bytes.storeBytes(
          of: functions[routine.exportedName], toByteOffset: NSPV2_ROUTINE.offset(of: routine),
          as: UnsafeMutableRawPointer?.self)
      }
    }
    return table
  }
}
