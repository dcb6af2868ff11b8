import CLastWords
import CWinsock
import Dispatch
import QuerySets
import Rundown

/// The `NSP_ROUTINE` of a version 1 provider, for one provider id: filled by its `NSPStartup`, given back by its `NSPCleanup`, once each
/// (nsp.md §6). Its routines are synchronous and may keep a thread; every call here calls out.
public final class Version1Routines: ServiceClassRoutines {
  /// Why a provider can't be used.
  public enum Defect: Error, Equatable, Sendable, CustomStringConvertible {
    case startupFailed(WinsockError)
    /// The table that it left is one that the host can't use (`WSAEINVALIDPROCTABLE`): its size, or what is missing.
    case tooSmall(UInt32)
    case missing(String)

    public var description: String {
      switch self {
      case .startupFailed(let error): "its NSPStartup answered \(error)"
      case .tooSmall(let size): "its NSPStartup left a table of \(size) bytes: \(WinsockError.invalidProcedureTable)"
      case .missing(let routine): "its NSPStartup left no \(routine) in the table: \(WinsockError.invalidProcedureTable)"
      }
    }
  }

  public let id: GUID
  /// What stays as it is from `NSPStartup` on.
  private nonisolated(unsafe) let table: UnsafeMutablePointer<NSP_ROUTINE>
  /// Entered by each call but End, and by each lookup from its Begin to its End: `NSPCleanup` comes behind the last.
  private let calls = RundownGate()

  public var version: (major: UInt32, minor: UInt32) { (table.pointee.dwMajorVersion, table.pointee.dwMinorVersion) }

  /// Calls `NSPStartup`.
  /// - Parameters:
  ///   - allowsPartial: What the table lacks answers `WSAEOPNOTSUPP`, instead of making it useless.
  ///   - file: Where it is, kept while its `NSPCleanup` runs.
  init(_ startup: LPNSPSTARTUP, id: GUID, allowsPartial: Bool, file: SharedObject) throws(Defect) {
    self.id = id
    let table = UnsafeMutablePointer<NSP_ROUTINE>.allocate(capacity: 1)
    table.initialize(to: NSP_ROUTINE())
    table.pointee.cbSize = UInt32(MemoryLayout<NSP_ROUTINE>.size)
    var given = id
    let failure = file.calling("NSPStartup") {
      WSASetLastError(0)
      return WinsockError(returned: startup(&given, table))
    }
    if let failure {
      table.deallocate()
      throw .startupFailed(failure)
    }
    self.table = table
    // A provider that was compiled without NSPIoctl ends before it.
    let least = MemoryLayout<NSP_ROUTINE>.offset(of: \.NSPIoctl)!
    let size = table.pointee.cbSize
    if size < MemoryLayout<NSP_ROUTINE>.size { table.pointee.NSPIoctl = nil }
    var defect: Defect?
    if size < least { defect = .tooSmall(size) } else if !allowsPartial { defect = missing.map { .missing($0) } }
    if let defect {
      // It was started, and is told that it is over.
      cleanup(keeping: file)
      throw defect
    }
  }

  deinit { table.deallocate() }

  /// The first routine that every provider must have and this one has not.
  private var missing: String? {
    let entries: [(String, Bool)] = [
      ("NSPCleanup", table.pointee.NSPCleanup != nil), ("NSPLookupServiceBegin", table.pointee.NSPLookupServiceBegin != nil),
      ("NSPLookupServiceNext", table.pointee.NSPLookupServiceNext != nil),
      ("NSPLookupServiceEnd", table.pointee.NSPLookupServiceEnd != nil), ("NSPSetService", table.pointee.NSPSetService != nil),
      ("NSPInstallServiceClass", table.pointee.NSPInstallServiceClass != nil),
      ("NSPRemoveServiceClass", table.pointee.NSPRemoveServiceClass != nil),
      ("NSPGetServiceClassInfo", table.pointee.NSPGetServiceClassInfo != nil),
    ]
    return entries.first { !$0.1 }?.0
  }

  /// Calls `NSPCleanup`, once: now, or where routines are still running, when the last has returned. Nothing is called after it.
  /// - Parameters:
  ///   - file: Kept until then.
  ///   - patience: How long to wait for it.
  public func cleanup(keeping file: SharedObject, patience: Duration = Provider.defaultDeadline) {
    guard !calls.isClosed else { return }
    let returned = DispatchSemaphore(value: 0)
    let finish: @Sendable () -> Void = { [self] in
      var id = id
      file.calling("NSPCleanup") {
        WSASetLastError(0)
        _ = table.pointee.NSPCleanup?(&id)
      }
      returned.signal()
    }
    // On a thread of its own: one that takes its time holds up nobody for longer than that.
    guard calls.closeReportingEmpty(orWhenDrained: { HostThreads.run(finish) }) else { return }
    HostThreads.run(finish)
    let (seconds, attoseconds) = patience.components
    _ = returned.wait(timeout: .now() + .seconds(Int(seconds)) + .nanoseconds(Int(attoseconds / 1_000_000_000)))
  }

  /// `NSPLookupServiceBegin`. The query set and the class information are valid during the call only.
  func lookupServiceBegin(
    _ restrictions: UnsafeMutablePointer<WSAQUERYSETW>, _ classInfo: LPWSASERVICECLASSINFOW?, _ flags: UInt32,
    _ handle: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
  ) -> WinsockError? {
    guard let begin = table.pointee.NSPLookupServiceBegin else { return .operationNotSupported }
    mark("NSPLookupServiceBegin")
    guard calls.enter() else { return .systemNotReady }
    var id = id
    WSASetLastError(0)
    let failure = WinsockError(returned: begin(&id, restrictions, classInfo, flags, handle))
    // Else left by `lookupServiceEnd`.
    if failure != nil { calls.leave() }
    return failure
  }

  /// `NSPLookupServiceNext`: the record, or why there is none; with `WSAEFAULT` the bytes that it needs in `length`.
  func lookupServiceNext(
    _ lookup: UnsafeMutableRawPointer?, _ flags: UInt32, _ length: inout UInt32, _ results: UnsafeMutablePointer<WSAQUERYSETW>
  ) -> WinsockError? {
    entered { table in
      guard let next = table.NSPLookupServiceNext else { return .operationNotSupported }
      mark("NSPLookupServiceNext")
      WSASetLastError(0)
      return WinsockError(returned: next(lookup, flags, &length, results))
    }
  }

  /// `NSPLookupServiceEnd`, perhaps while a Next of the lookup is on another thread.
  func lookupServiceEnd(_ lookup: UnsafeMutableRawPointer?) -> WinsockError? {
    defer { calls.leave() }
    guard let end = table.pointee.NSPLookupServiceEnd else { return .operationNotSupported }
    mark("NSPLookupServiceEnd")
    WSASetLastError(0)
    return WinsockError(returned: end(lookup))
  }

  /// `NSPSetService`: the class information comes before the query set.
  func setService(
    _ classInfo: LPWSASERVICECLASSINFOW?, _ registration: UnsafeMutablePointer<WSAQUERYSETW>, _ operation: UInt32, _ flags: UInt32
  ) -> WinsockError? {
    entered { table in
      guard let set = table.NSPSetService else { return .operationNotSupported }
      mark("NSPSetService")
      var id = id
      WSASetLastError(0)
      return WinsockError(returned: set(&id, classInfo, registration, WSAESETSERVICEOP(rawValue: operation), flags))
    }
  }

  // MARK: Service classes

  public func install(_ new: ServiceClass) -> WinsockError? {
    entered { table in
      guard let routine = table.NSPInstallServiceClass else { return .operationNotSupported }
      mark("NSPInstallServiceClass")
      return new.withPacked { info in
        var id = id
        WSASetLastError(0)
        return WinsockError(returned: routine(&id, info))
      }
    }
  }

  public func removeClass(_ serviceClass: GUID) -> WinsockError? {
    entered { table in
      guard let routine = table.NSPRemoveServiceClass else { return .operationNotSupported }
      mark("NSPRemoveServiceClass")
      var (id, serviceClass) = (id, serviceClass)
      WSASetLastError(0)
      return WinsockError(returned: routine(&id, &serviceClass))
    }
  }

  /// The block grows as the provider asks, up to 1 MiB.
  public func serviceClass(_ serviceClass: GUID) -> Result<ServiceClass, WinsockError> {
    var found: ServiceClass?
    let failure = entered { table in
      guard let routine = table.NSPGetServiceClassInfo else { return .operationNotSupported }
      mark("NSPGetServiceClassInfo")
      var size = 1024
      for _ in 0..<3 {
        // The id that is wanted lies behind what the provider is given: all that it may lead to is in one block.
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: size + MemoryLayout<GUID>.size, alignment: 16)
        defer { block.deallocate() }
        block.initializeMemory(as: UInt8.self, repeating: 0)
        let info = block.baseAddress!.assumingMemoryBound(to: WSASERVICECLASSINFOW.self)
        let wanted = (block.baseAddress! + size).bindMemory(to: GUID.self, capacity: 1)
        wanted.pointee = serviceClass
        info.pointee.lpServiceClassId = wanted
        var (id, length) = (id, UInt32(size))
        WSASetLastError(0)
        let failure = WinsockError(returned: routine(&id, &length, info))
        if failure == nil {
          let outer = nsp_mark_reads()
          do throws(QuerySetError) {
            found = try ServiceClass(reading: info, in: .packed(UnsafeRawBufferPointer(block)))
          } catch { NSPHostLog(nil, DWORD(NSP_LOG_WARNING), "its class is refused: \(error)") }
          nsp_mark_restore(outer)
        }
        // What can't be read is no answer.
        guard failure == .fault else { return failure ?? (found == nil ? .systemCallFailure : nil) }
        guard length > size, length <= 1 << 20 else { return .systemCallFailure }
        size = (Int(length) + 7) & ~7
      }
      return .systemCallFailure
    }
    if let failure { return .failure(failure) }
    // The id is what was asked for, whatever the provider has made of it.
    found?.id = serviceClass
    return found.map { .success($0) } ?? .failure(.systemCallFailure)
  }

  // MARK: Control

  public var hasIoctl: Bool { table.pointee.NSPIoctl != nil }

  public func ioctl(
    _ lookup: UnsafeMutableRawPointer?, _ code: UInt32, _ input: [UInt8], _ outputSize: Int,
    _ completion: UnsafeMutablePointer<WSACOMPLETION>?
  ) -> Result<[UInt8], WinsockError> {
    var (input, output) = (input, [UInt8](repeating: 0, count: outputSize))
    var written: UInt32 = 0
    let failure = entered { table in
      guard let routine = table.NSPIoctl else { return .operationNotSupported }
      mark("NSPIoctl")
      // Nobody waits alertably here: completions are events.
      var thread = WSATHREADID()
      WSASetLastError(0)
      return input.withUnsafeMutableBytes { input in
        output.withUnsafeMutableBytes { output in
          WinsockError(
            returned: routine(
              lookup, code, input.isEmpty ? nil : input.baseAddress, UInt32(input.count),
              output.isEmpty ? nil : output.baseAddress, UInt32(output.count), &written, completion, &thread))
        }
      }
    }
    return failure.map { .failure($0) } ?? .success(Array(output.prefix(Int(written))))
  }

  /// Nothing is called after the cleanup.
  private func entered(_ call: (NSP_ROUTINE) -> WinsockError?) -> WinsockError? {
    guard calls.enter() else { return .systemNotReady }
    defer { calls.leave() }
    return call(table.pointee)
  }
}
