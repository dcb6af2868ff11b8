import CWinsock
import QuerySets

/// The complete `NSPV2_ROUTINE` of one provider: no entry is NULL. What the provider has is called directly; the rest are stubs.
public final class RoutineTable: Sendable {
  public enum Entry: String, Sendable {
    case direct
    case stub
    /// Performed by the version 1 routine that corresponds to it.
    case version1 = "version-1"
    /// Forwarded to another process.
    case proxy
  }

  /// Why a table that was handed over can't be used.
  public enum Defect: Error, Equatable, Sendable {
    case tooSmall(UInt32)
    case missing(ProviderRoutine)
    case outOfMemory
  }

  /// The table itself. Its address and contents stay as they are for the life of this object.
  public nonisolated(unsafe) let pointer: UnsafePointer<NSPV2_ROUTINE>
  private let stubs: [StubClosure?]
  /// What the entries of an adapter need to live.
  private let adapter: Version1Adapter?
  private let proxy: ProxyClosures?
  /// What it is, beside these routines.
  public let traits: ProviderTraits
  /// The version that the provider named; shown, never branched on (nsp.md §5.1).
  public let majorVersion: UInt32
  public let minorVersion: UInt32

  /// Completes a table: entries that `partial` lacks become stubs. The table is copied.
  /// - Parameter partial: A table whose NULL entries are missing; entries that don't lie wholly inside its `cbSize` count as NULL.
  /// - Parameter allowsPartial: Accept a table without Begin, NextEx or End.
  public convenience init(
    completing partial: UnsafePointer<NSPV2_ROUTINE>, allowsPartial: Bool, completion: @escaping AsyncCompletion
  ) throws(Defect) {
    try self.init(completing: partial, of: nil, allowsPartial: allowsPartial, completion: completion)
  }

  /// The table of a provider in another process.
  /// - Parameter entries: The routines that it has.
  public convenience init(
    forwardingTo proxy: any RoutineProxy, _ entries: Set<ProviderRoutine>, traits: ProviderTraits,
    completion: @escaping AsyncCompletion
  ) throws(Defect) {
    guard let closures = ProxyClosures(proxy, entries) else { throw .outOfMemory }
    var table = NSPV2_ROUTINE()
    table.cbSize = UInt32(MemoryLayout<NSPV2_ROUTINE>.size)
    closures.fill(&table)
    try self.init(
      completing: &table, of: nil, by: closures, traits: traits, allowsPartial: traits.contains(.allowsPartial),
      completion: completion)
  }

  /// The table of a version 1 provider.
  public convenience init(
    _ routines: Version1Routines, completion: @escaping AsyncCompletion,
    serviceClass: @escaping Version1Adapter.ClassInQuestion
  ) throws(Defect) {
    guard let adapter = Version1Adapter(routines, complete: completion, serviceClass: serviceClass) else { throw .outOfMemory }
    var table = adapter.table
    try self.init(
      completing: &table, of: adapter, traits: [.takesClasses, .version1], allowsPartial: false, completion: completion)
  }

  private init(
    completing partial: UnsafePointer<NSPV2_ROUTINE>, of adapter: Version1Adapter?, by proxy: ProxyClosures? = nil,
    traits: ProviderTraits = [], allowsPartial: Bool, completion: @escaping AsyncCompletion
  ) throws(Defect) {
    (self.adapter, self.proxy, self.traits) = (adapter, proxy, traits)
    let size = partial.pointee.cbSize
    let required = MemoryLayout<NSPV2_ROUTINE>.offset(of: \.NSPv2SetServiceEx)!
    guard size >= required else { throw .tooSmall(size) }
    let full = UnsafeMutableRawPointer.allocate(
      byteCount: MemoryLayout<NSPV2_ROUTINE>.size, alignment: MemoryLayout<NSPV2_ROUTINE>.alignment)
    full.initializeMemory(as: UInt8.self, repeating: 0, count: MemoryLayout<NSPV2_ROUTINE>.size)
    let whole = min(Int(size), MemoryLayout<NSPV2_ROUTINE>.size)
    let lastEntryEnd = Self.entryOffset(.startup) + (whole - Self.entryOffset(.startup)) / 8 * 8
    full.copyMemory(from: partial, byteCount: min(whole, lastEntryEnd))

    var stubs: [StubClosure?] = []
    var defect: Defect?
    for routine in ProviderRoutine.allCases {
      let slot = full.advanced(by: Self.entryOffset(routine))
      guard slot.load(as: UnsafeRawPointer?.self) == nil else {
        stubs.append(nil)
        continue
      }
      guard !routine.isRequired || allowsPartial else {
        defect = .missing(routine)
        break
      }
      guard let stub = StubClosure(routine: routine, complete: completion) else {
        defect = .outOfMemory
        break
      }
      slot.storeBytes(of: stub.code, as: UnsafeMutableRawPointer.self)
      stubs.append(stub)
    }
    if let defect {
      full.deallocate()
      throw defect
    }
    let table = full.bindMemory(to: NSPV2_ROUTINE.self, capacity: 1)
    table.pointee.cbSize = UInt32(MemoryLayout<NSPV2_ROUTINE>.size)
    pointer = UnsafePointer(table)
    majorVersion = table.pointee.dwMajorVersion
    minorVersion = table.pointee.dwMinorVersion
    self.stubs = stubs
  }

  deinit { pointer.deallocate() }

  public func entry(_ routine: ProviderRoutine) -> Entry {
    if stubs[routine.rawValue] != nil { return .stub }
    return proxy != nil ? .proxy : adapter == nil ? .direct : .version1
  }

  /// How often a stub answered in the provider's place.
  public func interceptions(_ routine: ProviderRoutine) -> Int { stubs[routine.rawValue]?.interceptions ?? 0 }

  /// The address that is in the table for a routine, as a benchmark or a test calls it.
  public func address(_ routine: ProviderRoutine) -> UnsafeRawPointer {
    UnsafeRawPointer(pointer).load(fromByteOffset: Self.entryOffset(routine), as: UnsafeRawPointer.self)
  }

  static func entryOffset(_ routine: ProviderRoutine) -> Int {
    MemoryLayout<NSPV2_ROUTINE>.offset(of: \.NSPv2Startup)! + routine.rawValue * MemoryLayout<UnsafeRawPointer>.size
  }
}
