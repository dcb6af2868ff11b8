import CWinsock
import Glibc
import QuerySets
import Rundown
import Synchronization
import Wire

/// The host's names and services for Swift programs: lookups as asynchronous sequences, registrations, the providers.
///
/// Any task may call. All calls of one `NameService` share a connection; the session at the providers belongs to the process. A
/// host that went away is `WinsockError.networkDown`; the next call finds the one that came back. A host that gives no sign of life, as one that
/// was stopped, is `WinsockError.timedOut`; one that works on a request says so, and is waited for.
public final class NameService: Sendable {
  /// Nil: where a host is found when a connection is made.
  private let path: String?
  private let silence: Duration
  private let channel = Locked<HostChannel?>(nil)
  /// Why the last attempt to connect failed.
  private let connecting = Locked<WinsockError?>(nil)
  private let attempts = Atomic<Int>(0)

  /// - Parameters:
  ///   - socket: The host's socket; otherwise as libnsp finds it: `NSP_SOCKET`, the user's own host, the machine's.
  ///   - silence: How long the host may give no sign of life while it owes an answer; otherwise five seconds.
  public init(socket: String? = nil, silence: Duration? = nil) {
    path = socket
    self.silence = silence ?? HostSocket.usualSilence
  }

  /// The connection, made anew where it broke. Waits for the host's answer to the hello.
  func connected() throws(WinsockError) -> HostChannel {
    if let known = usable { return known }
    let before = attempts.load(ordering: .acquiring)
    // One at a time: those who wait for it get its connection, or its failure.
    return try connecting.withLock { failure throws(WinsockError) in
      if let known = usable { return known }
      if attempts.load(ordering: .acquiring) != before, let failure { throw failure }
      defer { attempts.add(1, ordering: .releasing) }
      do throws(WinsockError) {
        let new = try HostChannel(path, silence: silence)
        channel.withLock { $0 = new }
        return new
      } catch {
        failure = error
        throw error
      }
    }
  }

  private var usable: HostChannel? { channel.withLock { $0 }.flatMap { $0.isOver ? nil : $0 } }

  // MARK: Lookups

  /// Every record of a query, as the providers give them. Nothing is asked before the first is wanted; cancelling the task cancels the
  /// call that it waits in, and what is left open is ended.
  /// - Parameter flags: Without `allOwners`, only registrations that count for this user count: those of root, of the host's own user and of
  ///   this user, and those that a rule of the host permits.
  public func lookup(_ query: QuerySet, flags: LookupFlags = [.returnName, .returnAddress]) -> Records {
    Records(service: self, query: query, flags: flags)
  }

  // MARK: Registrations

  /// Registers, deregisters or deletes; throws when no provider has done it.
  public func setService(_ registration: QuerySet, _ operation: Operation, flags: UInt32 = 0) async throws {
    let bytes = try packed(registration)
    let answer = try await connected().ask(.setService) { frame in
      SetServiceRequest(operation: operation.rawValue, flags: flags).write(to: &frame)
      Self.append(bytes, to: &frame)
    }
    guard answer.status == .success else { throw answer.status }
  }

  public enum Operation: UInt32, Sendable {
    case register = 0
    case deregister = 1
    case delete = 2
  }

  // MARK: Providers

  /// A provider as the host lists it.
  public struct Provider: Sendable, Hashable {
    public var id: GUID
    public var name: String
    /// The first of those under which it is enumerated.
    public var nameSpace: NameSpace
    /// All of them, as a rule one.
    public var nameSpaces: [NameSpace]
    /// It is asked whatever the name space of a query.
    public var servesAll: Bool
    public var version: UInt32
    public var isActive: Bool
    /// What came with its installation (`ProviderSpecific`); empty where nothing did.
    public var installationData: [UInt8]
  }

  /// Asks to be told of the next change of what `providers` lists: from then on none is missed. The task ends with it, and throws `networkDown` where the
  /// host goes away first. One at a time.
  public func nextCatalogChange() async throws -> Task<Void, any Error> {
    let channel = try connected()
    let answer = try await channel.ask(.catalogChange) { CatalogChangeRequest(waits: true).write(to: &$0) }
    guard answer.status == .ioPending else { throw answer.status }
    return Task {
      let second = try await channel.secondAnswer(to: answer.request)
      guard second.status == .success else { throw second.status }
    }
  }

  /// In the order in which they are asked.
  public func providers() async throws -> [Provider] {
    let answer = try await connected().ask(.enumerate) { _ in }
    guard answer.status == .success else { throw answer.status }
    return try answer.payload.withUnsafeBytes { bytes in
      var fields = FieldReader(bytes)
      guard let count = EnumerateAnswer(&fields)?.count else { throw WinsockError.systemCallFailure }
      var providers: [Provider] = []
      for _ in 0..<count {
        guard let row = EnumeratedProvider(&fields), let name = fields.bytes(Int(row.nameUnits) * 2), fields.align(),
          let blob = fields.bytes(Int(row.blobSize)), fields.align()
        else { throw WinsockError.systemCallFailure }
        let space = NameSpace(rawValue: row.nameSpace)
        if row.traits & EnumeratedTraits.isFurther != 0, !providers.isEmpty {
          providers[providers.count - 1].nameSpaces.append(space)
          continue
        }
        let text = (0..<Int(row.nameUnits)).map { name.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self) }
        providers.append(
          Provider(
            id: row.id.value(as: GUID.self), name: String(decoding: text, as: UTF16.self), nameSpace: space, nameSpaces: [space],
            servesAll: row.traits & EnumeratedTraits.servesAll != 0, version: row.version, isActive: row.isActive != 0,
            installationData: Array(blob)))
      }
      return providers
    }
  }

  // MARK: Query sets

  /// Packed and relative, in whole words.
  func packed(_ set: QuerySet) throws(WinsockError) -> [UInt64] {
    do throws(QuerySetError) {
      var words = [UInt64](repeating: 0, count: try set.packedSize(as: .v1) / 8)
      let failure: QuerySetError? = words.withUnsafeMutableBytes { bytes in
        do throws(QuerySetError) { try set.pack(as: .v1, into: bytes) } catch { return error }
        SelfRelative.makeRelative(bytes)
        return nil
      }
      if let failure { throw failure }
      return words
    } catch { throw error.winsockError }
  }

  static func append(_ words: [UInt64], to frame: inout FrameWriter) {
    frame.align()
    words.withUnsafeBytes { frame.append($0) }
  }

  static func record(_ payload: [UInt8]) throws(WinsockError) -> QuerySet {
    var copy = payload
    let set: QuerySet? = copy.withUnsafeMutableBytes { bytes in
      guard SelfRelative.resolve(bytes), let base = bytes.baseAddress else { return nil }
      let raw = UnsafeRawPointer(base).assumingMemoryBound(to: WSAQUERYSETW.self)
      return (try? QuerySetView(reading: raw, in: .packed(UnsafeRawBufferPointer(bytes)))).map { QuerySet($0) }
    }
    guard let set else { throw .systemCallFailure }
    return set
  }
}

/// The records of one query, one after the other.
public struct Records: AsyncSequence, Sendable {
  public typealias Element = QuerySet

  let service: NameService
  let query: QuerySet
  let flags: LookupFlags

  public func makeAsyncIterator() -> Iterator { Iterator(self) }

  /// Ends the lookup when it is let go of.
  public final class Iterator: AsyncIteratorProtocol {
    private let records: Records
    private var open: (channel: HostChannel, handle: UInt64)?
    private var isOver = false

    init(_ records: Records) { self.records = records }

    deinit { end() }

    /// Nil at the end. Throws where no provider has a record: `serviceNotFound` where all of them say so, `noData` where one knows the name,
    /// `tryAgain` where one could not answer, else the code of one that failed. Throws `networkDown` when the host went away, and
    /// `CancellationError` when the task was cancelled.
    public func next() async throws -> QuerySet? {
      guard !isOver else { return nil }
      do { return try await advance() } catch {
        end()
        if Task.isCancelled { throw CancellationError() }
        throw error
      }
    }

    private func advance() async throws -> QuerySet? {
      let record = try await nextOfOpen()
      if record == nil { end() }
      return record
    }

    /// As `next`, but the lookup stays open behind its end.
    func nextOfOpen() async throws -> QuerySet? {
      try Task.checkCancellation()
      let (channel, handle) = try await begin()
      let answer = try await withTaskCancellationHandler {
        try await channel.ask(.next) { NextRequest(handle: handle, flags: 0).write(to: &$0) }
      } onCancel: {
        // Makes the host answer the call that waits, with WSA_E_CANCELLED.
        channel.post(.end) { LookupHandle(handle).write(to: &$0) }
      }
      if answer.status == .noMore { return nil }
      guard answer.status == .success else { throw answer.status }
      return try NameService.record(answer.payload)
    }

    /// Begins the lookup, and asks to be told of the next change that the host learns of: from then on none is missed, and the task ends
    /// with it. To cancel the task ends the lookup.
    func awaitChange() async throws -> Notice {
      let (channel, handle) = try await begin()
      let answer = try await withTaskCancellationHandler {
        try await channel.ask(.ioctl) { frame in
          var request = IoctlRequest()
          (request.handle, request.code, request.waits) = (handle, SIO_NSP_NOTIFY_CHANGE, 1)
          request.write(to: &frame)
        }
      } onCancel: {
        channel.post(.end) { LookupHandle(handle).write(to: &$0) }
      }
      guard answer.status == .ioPending else {
        guard answer.status == .success else { throw answer.status }
        return Notice(change: Task {}, isComplete: true)
      }
      let isComplete = answer.payload.withUnsafeBytes { IoctlAnswer($0)?.isToldOfAll == 1 }
      let change = Task {
        let second = try await withTaskCancellationHandler {
          try await channel.secondAnswer(to: answer.request)
        } onCancel: {
          channel.post(.end) { LookupHandle(handle).write(to: &$0) }
        }
        guard second.status == .success else { throw second.status }
      }
      return Notice(change: change, isComplete: isComplete)
    }

    /// The next change.
    struct Notice {
      let change: Task<Void, any Error>
      /// Whether there is none that is not told.
      let isComplete: Bool
    }

    private func begin() async throws -> (HostChannel, UInt64) {
      if let open { return open }
      let words = try records.service.packed(records.query)
      let channel = try records.service.connected()
      let answer = try await channel.ask(.begin) { frame in
        BeginRequest(flags: records.flags.rawValue, owners: .trusted).write(to: &frame)
        NameService.append(words, to: &frame)
      }
      guard answer.status == .success else { throw answer.status }
      guard let handle = answer.payload.withUnsafeBytes({ LookupHandle($0)?.handle }) else {
        throw WinsockError.systemCallFailure
      }
      open = (channel, handle)
      return (channel, handle)
    }

    private func end() {
      isOver = true
      guard let open else { return }
      self.open = nil
      open.channel.post(.end) { LookupHandle(open.handle).write(to: &$0) }
    }
  }
}
