import Glibc

/// What can be known of a shared object without loading it: read from its ELF tables, every byte of them untrusted.
public struct ELFImage: Sendable {
  public enum Defect: Error, Equatable, Sendable {
    case notELF
    case wrongMachine(UInt16)
    case damaged(String)
  }

  /// A symbol that the file expects from others.
  public struct ImportedSymbol: Sendable, Hashable {
    public let name: String
    public let isWeak: Bool
  }

  public private(set) var needed: [String] = []
  /// The name by which others need it (DT_SONAME).
  private(set) var soname: String?
  /// Where the libraries that it needs are looked for (DT_RUNPATH), as it is written.
  private(set) var runPath: [String]?
  /// The same for those that its libraries need, too (DT_RPATH). Nil where there is a run path: then it does not count.
  private(set) var inheritedPath: [String]?
  /// Libraries are not looked for in the usual folders.
  private(set) var avoidsDefaultFolders = false
  public private(set) var buildID: [UInt8] = []
  public let fileSize: Int
  /// The payload of the `NSP` note, if the file carries one.
  private(set) var manifestNote: [UInt8]?
  private var routines: UInt8 = 0
  public private(set) var exportsVersion1 = false
  /// Whether it registers network modules when its `NSPModuleLoad` is called.
  public private(set) var exportsModuleLoad = false
  private(set) var imported: [ImportedSymbol] = []
  private var neverUnloads = false
  /// How many bytes of every thread's static storage it takes when it is loaded, with the libraries that it needs. The dynamic linker keeps few
  /// for files that are loaded while the process runs.
  public internal(set) var staticTLS = 0
  private var usesStaticTLS = false
  /// It has Swift code, whose runtime keeps what it has once seen.
  private(set) var hasSwiftCode = false
  /// The dynamic linker makes every stack of a process executable in which it loads this file.
  private(set) var wantsExecutableStack = false
  /// What the libraries that it needs mean for the process that loads it; as far as they were looked for.
  public internal(set) var libraries = Libraries()

  /// What comes with a file when it is loaded.
  public struct Libraries: Sendable {
    /// Where each was found, in the order in which the dynamic linker loads them.
    public internal(set) var paths: [String] = []
    /// The first that brings the Swift runtime.
    var bringingSwift: String?
    /// The first that wants an executable stack, and is not in the process yet.
    var wantingExecutableStack: String?
  }

  /// Whether it asks for the class of a query.
  public var asksForClasses: Bool { imported.contains { $0.name == "NSPHostCurrentServiceClass" } }

  /// Whether it exports routines of a provider, of either version.
  public var exportsRoutines: Bool { isVersion1 || ProviderRoutine.allCases.contains { defines($0) } }

  /// Whether it takes part in what lives in the host alone: modules, transports, call management.
  public var livesInHost: Bool {
    exportsModuleLoad || imported.contains { symbol in ["Nmr", "Ndis", "Nsp"].contains { symbol.name.hasPrefix($0) } }
  }

  private(set) var symbols = SymbolTable()
  private var bytes: FileBytes?

  public static let hostMachine: UInt16 = {
    #if arch(arm64)
      183  // EM_AARCH64
    #else
      62  // EM_X86_64
    #endif
  }()

  /// Whether the file's own dynamic symbol table defines a routine.
  public func defines(_ routine: ProviderRoutine) -> Bool { routines & 1 << UInt8(routine.rawValue) != 0 }

  /// Whether the file can leave the process again.
  public var isUnloadable: Bool { whyMapped == nil }

  /// Why it stays mapped once it is loaded; nil where it can leave the process again. The Swift runtime keeps pointers into every file with
  /// Swift code, so that such a file can't leave, nor can one that needs such a library, at whatever depth.
  public var whyMapped: String? {
    if neverUnloads { return "it asks to stay (-z nodelete)" }
    if bringsSwift { return "it has Swift code, whose runtime can't be unloaded" }
    return libraries.bringingSwift.map { "\($0) brings the Swift runtime, which can't be unloaded" }
  }

  /// It has the Swift runtime in it, or brings it along.
  var bringsSwift: Bool { hasSwiftCode || isSwiftRuntime || needed.contains { $0.hasPrefix("libswiftCore.so") } }

  private var isSwiftRuntime: Bool { soname?.hasPrefix("libswiftCore.so") == true }

  /// The file that makes the stacks of a process executable when this one is loaded: itself, where the text is empty, or a library that it
  /// needs. Nil for none.
  public var executableStack: String? { wantsExecutableStack ? "" : libraries.wantingExecutableStack }

  /// Whether the file itself defines a symbol that others may bind to.
  func definesSymbol(_ name: UnsafeRawBufferPointer) -> Bool { bytes.map { symbols.find(name, in: $0) } ?? false }

  /// Lets go of the file's contents; the facts stay.
  mutating func forgetContents() { bytes = nil }

  init(_ bytes: FileBytes, readsSymbols: Bool = true) throws(Defect) {
    self.bytes = bytes
    fileSize = bytes.count
    guard bytes.slice(0, 4)?.elementsEqual([0x7F, 0x45, 0x4C, 0x46]) == true else { throw .notELF }
    guard bytes.slice(0, 64) != nil else { throw .damaged("the ELF header is cut short") }
    guard bytes.number(4, as: UInt16.self) == 0x0102 else { throw .wrongMachine(bytes.number(18, as: UInt16.self) ?? 0) }
    let machine = bytes.number(18, as: UInt16.self) ?? 0
    guard machine == Self.hostMachine else { throw .wrongMachine(machine) }
    guard bytes.number(16, as: UInt16.self) == 3 else { throw .damaged("it is not a shared object") }
    // Linkers put the section table last: where it is missing, the file is cut short, or still being written.
    guard let sections = bytes.number(40, as: UInt64.self), let size = bytes.number(58, as: UInt16.self),
      let count = bytes.number(60, as: UInt16.self), bytes.contains(sections, UInt64(size) * UInt64(count))
    else { throw .damaged("its end is missing: the section table lies outside the file") }
    hasSwiftCode = Self.hasSwiftSections(bytes, table: sections, size: size, count: count)
    let segments = try Segments(bytes)
    wantsExecutableStack = segments.stackIsExecutable
    for note in segments.notes { readNotes(note, bytes) }
    defer { if usesStaticTLS { staticTLS = segments.threadStorage } }
    guard let dynamic = segments.dynamic else { throw .damaged("it has no dynamic section") }
    try read(dynamic, segments, bytes)
    if readsSymbols { try readSymbols(bytes) }
  }

  // MARK: Notes

  private mutating func readNotes(_ range: (offset: UInt64, size: UInt64), _ bytes: FileBytes) {
    var position = range.offset
    let end = range.offset &+ range.size
    while position &+ 12 <= end, let ownerSize = bytes.number(position, as: UInt32.self),
      let size = bytes.number(position &+ 4, as: UInt32.self), let type = bytes.number(position &+ 8, as: UInt32.self)
    {
      let payload = position &+ 12 &+ (UInt64(ownerSize) &+ 3) & ~3
      let next = payload &+ (UInt64(size) &+ 3) & ~3
      guard next <= end, next > position, let owner = bytes.slice(position &+ 12, UInt64(ownerSize)),
        let content = bytes.slice(payload, UInt64(size))
      else { return }
      if type == 1, owner.elementsEqual([0x4E, 0x53, 0x50, 0]) { manifestNote = Array(content) }
      if type == 3, owner.elementsEqual([0x47, 0x4E, 0x55, 0]) { buildID = Array(content) }
      position = next
    }
  }

  // MARK: Dynamic section

  private mutating func read(
    _ dynamic: (offset: UInt64, size: UInt64), _ segments: Segments, _ bytes: FileBytes
  ) throws(Defect) {
    var neededOffsets: [UInt64] = []
    var runPathOffset: UInt64?
    var inheritedOffset: UInt64?
    var sonameOffset: UInt64?
    var strings: UInt64?
    var position = dynamic.offset
    let end = dynamic.offset &+ dynamic.size
    while position &+ 16 <= end {
      guard let tag = bytes.number(position, as: Int64.self), let value = bytes.number(position &+ 8, as: UInt64.self) else {
        throw .damaged("the dynamic section is cut short")
      }
      position &+= 16
      switch tag {
      case 0: position = end
      case 1: neededOffsets.append(value)
      case 4: symbols.sysvHash = segments.fileOffset(value)
      case 5: strings = segments.fileOffset(value)
      case 6: symbols.entries = segments.fileOffset(value)
      case 14: sonameOffset = value
      case 15: inheritedOffset = value
      case 29: runPathOffset = value
      case 30: usesStaticTLS = value & 0x10 != 0  // DF_STATIC_TLS
      case 0x6FFF_FEF5: symbols.gnuHash = segments.fileOffset(value)
      case 0x6FFF_FFFB: (neverUnloads, avoidsDefaultFolders) = (value & 0x8 != 0, value & 0x800 != 0)
      default: break
      }
    }
    guard let strings, symbols.entries != nil else { throw .damaged("its symbol or string table is missing") }
    symbols.strings = strings
    for offset in neededOffsets { needed.append(try string(strings &+ offset, bytes)) }
    if let sonameOffset { soname = try string(strings &+ sonameOffset, bytes) }
    if let runPathOffset {
      runPath = Self.folders(try string(strings &+ runPathOffset, bytes))
    } else if let inheritedOffset {
      inheritedPath = Self.folders(try string(strings &+ inheritedOffset, bytes))
    }
  }

  /// An empty path has no folder; an empty part of a path is the current one.
  private static func folders(_ path: String) -> [String] {
    path.isEmpty ? [] : path.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
  }

  private func string(_ offset: UInt64, _ bytes: FileBytes) throws(Defect) -> String {
    guard let text = bytes.text(offset) else { throw .damaged("a name lies outside the file") }
    return String(decoding: text, as: UTF8.self)
  }

  // MARK: Sections

  /// Whether there are sections that the Swift runtime reads. Embedded Swift has none.
  private static func hasSwiftSections(_ bytes: FileBytes, table: UInt64, size: UInt16, count: UInt16) -> Bool {
    guard size == 64, let index = bytes.number(62, as: UInt16.self), index < count,
      let headers = bytes.copy(table, UInt64(size) * UInt64(count))
    else { return false }
    func number<Number: FixedWidthInteger & BitwiseCopyable>(_ section: UInt16, _ offset: Int, as type: Number.Type) -> Number {
      headers.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: Int(section) * 64 + offset, as: type)) }
    }
    guard let names = bytes.copy(number(index, 24, as: UInt64.self), number(index, 32, as: UInt64.self)) else { return false }
    return (0..<count).contains { section in
      names.dropFirst(Int(number(section, 0, as: UInt32.self))).starts(with: "swift5_".utf8)
    }
  }

  // MARK: Symbols

  private mutating func readSymbols(_ bytes: FileBytes) throws(Defect) {
    guard let count = symbols.count(in: bytes) else { throw .damaged("its symbol table has no end") }
    guard let entries = symbols.entries, let strings = symbols.strings, bytes.slice(entries, UInt64(count) &* 24) != nil else {
      throw .damaged("its symbol table lies outside the file")
    }
    for index in 1..<UInt64(max(count, 1)) {
      let entry = entries &+ index &* 24
      guard let nameOffset = bytes.number(entry, as: UInt32.self), let info = bytes.number(entry &+ 4, as: UInt8.self),
        let section = bytes.number(entry &+ 6, as: UInt16.self), let name = bytes.text(strings &+ UInt64(nameOffset))
      else { throw .damaged("a symbol's name lies outside the file") }
      let binding = info >> 4
      if section == 0 {
        if !name.isEmpty { imported.append(ImportedSymbol(name: String(decoding: name, as: UTF8.self), isWeak: binding == 2)) }
      } else if binding == 1 || binding == 2, Self.isFunction(info), name.count > 9, name[0] == UInt8(ascii: "N") {
        note(definition: name)
      }
    }
  }

  /// A function, or an indirect one (IFUNC). Data of a routine's name can't be called.
  private static func isFunction(_ info: UInt8) -> Bool { info & 0xF == 2 || info & 0xF == 10 }

  private static let routineNames = ProviderRoutine.allCases.map { Array($0.exportedName.utf8) }
  private static let version1Name = Array("NSPStartup".utf8)
  private static let moduleLoadName = Array("NSPModuleLoad".utf8)

  private mutating func note(definition name: UnsafeRawBufferPointer) {
    func matches(_ known: [UInt8]) -> Bool { known.count == name.count && memcmp(known, name.baseAddress!, known.count) == 0 }
    if matches(Self.version1Name) { exportsVersion1 = true }
    if matches(Self.moduleLoadName) { exportsModuleLoad = true }
    for (index, known) in Self.routineNames.enumerated() where matches(known) { routines |= 1 << UInt8(index) }
  }
}

/// The program headers that matter here.
private struct Segments {
  private var loads: [(address: UInt64, offset: UInt64, size: UInt64)] = []
  private(set) var dynamic: (offset: UInt64, size: UInt64)?
  private(set) var notes: [(offset: UInt64, size: UInt64)] = []
  /// Bytes of thread-local storage, with what their alignment may cost.
  private(set) var threadStorage = 0
  /// Where no header speaks of the stack, it is: on the machines that this host is for the dynamic linker takes that for a wish.
  private(set) var stackIsExecutable = true

  init(_ bytes: FileBytes) throws(ELFImage.Defect) {
    guard let table = bytes.number(32, as: UInt64.self), let size = bytes.number(54, as: UInt16.self),
      let count = bytes.number(56, as: UInt16.self), size == 56, bytes.slice(table, UInt64(size) * UInt64(count)) != nil
    else { throw .damaged("the program headers lie outside the file") }
    for index in 0..<UInt64(count) {
      let header = table &+ index &* 56
      guard let type = bytes.number(header, as: UInt32.self), let offset = bytes.number(header &+ 8, as: UInt64.self),
        let address = bytes.number(header &+ 16, as: UInt64.self), let fileSize = bytes.number(header &+ 32, as: UInt64.self)
      else { throw .damaged("a program header is cut short") }
      if type == 7, let size = bytes.number(header &+ 40, as: UInt64.self),
        let alignment = bytes.number(header &+ 48, as: UInt64.self)
      {
        threadStorage = Int(clamping: min(size, 1 << 40) &+ min(alignment, 1 << 20))
      }
      if type == 0x6474_E551, let flags = bytes.number(header &+ 4, as: UInt32.self) { stackIsExecutable = flags & 1 != 0 }
      guard type == 1 || type == 2 || type == 4 else { continue }
      guard bytes.contains(offset, fileSize) else { throw .damaged("a segment lies outside the file") }
      switch type {
      case 1: loads.append((address, offset, fileSize))
      case 2: dynamic = (offset, fileSize)
      default: notes.append((offset, fileSize))
      }
    }
  }

  /// Where an address of the loaded image lies in the file.
  func fileOffset(_ address: UInt64) -> UInt64? {
    for load in loads where address >= load.address && address - load.address < load.size {
      return load.offset &+ (address - load.address)
    }
    return nil
  }
}

extension ELFImage {
  /// Its provider is one of version 1: it exports no routine of version 2, and does not register itself.
  public var isVersion1: Bool {
    exportsVersion1 && !exportsModuleLoad && !ProviderRoutine.allCases.contains { defines($0) }
  }
}
