import CLinux
import CWinsock
import Glibc
import Hosting
import Providers
import QuerySets
import Rundown
import Wire

/// Providers that other processes serve, each for as long as the connection that advertised it (`WSAAdvertiseProvider`, nsp.md §5.8).
final class Advertisements: Sendable {
  /// One provider that a process serves.
  final class ServedProvider: Sendable {
    let provider: AdvertisedProvider
    private weak let connection: Connection?
    /// Whether somebody whom the configuration or the host trusts serves it.
    let isTrusted: Bool
    /// Of the process.
    let session: UInt64
    let processID: Int32

    init(
      _ provider: AdvertisedProvider, _ connection: Connection, session: UInt64, isTrusted: Bool
    ) {
      (self.provider, self.session) = (provider, session)
      (self.connection, self.isTrusted) = (connection, isTrusted)
      processID = connection.peer.processID
    }

    func isServed(over other: Connection) -> Bool { connection === other }
  }

  private let host: ProviderHost
  let workers: Workers
  private let known = Locked<[GUID: ServedProvider]>([:])
  /// One report at a time is passed on, so that none overtakes a later one.
  private let reporting = Locked<Void>(())

  init(_ host: ProviderHost, _ workers: Workers) { (self.host, self.workers) = (host, workers) }

  /// How many calls may be under way in a provider's process.
  private static let maximumChannels = 256

  /// Serves a provider by the process of a connection, from now on.
  func advertise(
    _ id: GUID, _ entries: UInt32, traits: ProviderTraits, by connection: Connection, session: UInt64
  ) throws(WinsockError) {
    guard let entry = host.catalog[id], entry.manifest.source != .builtIn else { throw .invalidProvider }
    let identity = connection.identity
    let isWorker = connection.isWorker
    guard !isWorker || workers.isWorker(identity.processID, of: id) else { throw .accessDenied }
    let routines = Set(ProviderRoutine.allCases.filter { entries & 1 << UInt32($0.rawValue) != 0 })
    guard
      traits.contains(.allowsPartial) && isWorker
        || ProviderRoutine.allCases.allSatisfy({ !$0.isRequired || routines.contains($0) })
    else { throw .invalidArgument }
    // What has a file is served by the host, or by its worker.
    guard isWorker || entry.path.isEmpty else { throw .accessDenied }
    let isTrusted =
      connection.isOperator || entry.manifest.advertisers?.admits(user: identity.userID, group: identity.groupID) == true
    guard isWorker || isTrusted || entry.manifest.advertisers == nil else { throw .accessDenied }
    let servesEverybody = isWorker || isTrusted && (entry.manifest.servesEverybody ?? entry.isService)
    let provider = AdvertisedProvider(
      entry.manifest, routines, traits: isWorker ? traits : [], answersEnds: !isWorker && entry.manifest.concurrency != nil,
      maximumChannels: Self.maximumChannels,
      send: { [weak connection] in connection?.send(descriptor: $0) ?? false },
      // Not the entry: that has the provider that this one replaces.
      whenHung: { [workers, name = entry.manifest.displayName] in
        HostLog.write(.warning, provider: name, "a routine has not returned in time")
        if isWorker { workers.isHung(identity.processID) }
      })
    let served = ServedProvider(provider, connection, session: session, isTrusted: isTrusted || isWorker)
    let former: ServedProvider? = try known.withLock { known throws(WinsockError) in
      if let other = known[id], host.isAdvertised(id, other.provider) {
        // One at a time; a stranger does not keep out whom the machine trusts.
        guard isWorker || isTrusted && !other.isTrusted else { throw .alreadyInProgress }
      }
      defer { known[id] = served }
      return known[id]
    }
    if isWorker { workers.isAdvertising(identity.processID) }
    do throws(WinsockError) {
      try host.advertise(
        id, provider, version1: provider.traits.contains(.keepsClasses) ? provider : nil,
        scope: servesEverybody ? nil : identity.userID, mayReplace: former != nil)
    } catch {
      known.withLock { if $0[id] === served { $0[id] = former } }
      throw error
    }
    former?.provider.hangUp()
    if connection.isOver {
      // Whoever noticed its end may have found nothing to take back.
      known.withLock { if $0[id] === served { $0[id] = nil } }
      provider.hangUp()
      host.unadvertise(id, provider)
      throw .networkDown
    }
    if isWorker {
      passOnReports(identity.processID)
      workers.hasAdvertised(identity.processID)
    } else {
      host.report(
        .advertiser(ProviderHosting(.running, processID: identity.processID, advertiser: identity.description)), to: id)
    }
    HostLog.write(.info, provider: entry.manifest.displayName, "advertised by \(identity)")
  }

  /// A worker's provider has said whether it can answer, or has just been attached: what it said last counts.
  func passOnReports(_ processID: Int32) {
    reporting.withLock { _ in
      let found = known.withLock { $0.first { $0.value.processID == processID && workers.isWorker(processID, of: $0.key) } }
      guard let (id, served) = found, let provider = host.catalog[id]?.provider,
        provider.routines === served.provider
      else { return }
      let reason = workers.failing(of: processID)
      guard provider.condition.report(reason) else { return }
      HostLog.write(.info, provider: provider.name, reason.map { "it can answer nothing: \($0)" } ?? "it can answer again")
    }
  }

  /// Takes a provider back; returns when none of its routines is running.
  /// - Parameter session: Whose provider it must be.
  func unadvertise(_ id: GUID, session: UInt64) throws(WinsockError) {
    let served: ServedProvider? = known.withLock { known in
      guard let found = known[id], found.session == session else { return nil }
      known[id] = nil
      return found
    }
    guard let served else { throw .invalidProvider }
    host.unadvertise(id, served.provider)
    served.provider.hangUp()
    parted(id, served)
  }

  /// Whether a connection is one of those that providers are served over.
  func has(_ connection: Connection) -> Bool {
    known.withLock { $0.values.contains { $0.isServed(over: connection) } }
  }

  /// Takes all of them back.
  func stop() {
    let all = known.withLock { known in
      defer { known = [:] }
      return Array(known)
    }
    // Each within the deadlines of its own provider.
    HostThreads.runEach(all) { [host] id, served in
      host.unadvertise(id, served.provider)
      served.provider.hangUp()
    }
  }

  /// A connection is gone, and with it the process that served these providers, or its wish to.
  func lost(_ connection: Connection) {
    let lost: [(GUID, ServedProvider)] = known.withLock { known in
      let lost = known.filter { $0.value.isServed(over: connection) }
      for id in lost.keys { known[id] = nil }
      return Array(lost)
    }
    for (id, served) in lost {
      // Those that are answered now are told why.
      if let provider = host.catalog[id]?.provider, provider.routines === served.provider { provider.condition.markGone() }
      // Whoever waits for it is answered first.
      let running = Self.names(of: served.provider.hangUp())
      if workers.isWorker(served.processID) {
        workers.lost(served.processID, running: running)
      } else {
        let place = running.isEmpty ? "" : ", in \(running.joined(separator: ", "))"
        HostLog.write(
          .warning, provider: served.provider.name, "its process is gone: \(connection.identity)\(place)")
        parted(id, served)
      }
      HostThreads.run { [host] in host.unadvertise(id, served.provider) }
    }
  }

  /// Each once. An End is sent to a process that is dying already, as a rule.
  private static func names(of calls: [ProviderCall]) -> [String] {
    var names: [String] = []
    let others = calls.filter { $0 != .end }
    for name in (others.isEmpty ? calls : others).compactMap(\.routineName) where !names.contains(name) { names.append(name) }
    return names
  }

  /// The entry is as it was before somebody advertised it, where that was no worker.
  private func parted(_ id: GUID, _ served: ServedProvider) {
    host.report(.advertiserLeft(processID: served.processID), to: id)
  }

  func completed(_ number: UInt64, _ outcome: AwaitedOutcome.Outcome, from connection: Connection) {
    // Numbers mean something to the provider that was asked alone.
    let provider = known.withLock { $0.values.first { $0.isServed(over: connection) } }?.provider
    provider?.completed(number, outcome)
  }

  /// A provider says that what it serves has changed. Whoever says so must serve it; one that gets no calls now has nobody to tell.
  func changed(_ id: GUID, _ kind: ChangeKind, _ name: String, from connection: Connection) throws(WinsockError) {
    guard let served = known.withLock({ $0[id] }), served.isServed(over: connection) else { throw .invalidProvider }
    guard let provider = host.catalog[id]?.provider, provider.routines === served.provider else { return }
    switch kind {
    case .name: provider.said(name)
    case .everything: provider.said(nil)
    case .much: provider.changes.advance()
    }
  }
}

extension ProviderCall {
  /// As the routine is called; nil for what is no routine.
  var routineName: String? {
    switch self {
    case .startup: "NSPv2Startup"
    case .cleanup: "NSPv2Cleanup"
    case .begin: "NSPv2LookupServiceBegin"
    case .next: "NSPv2LookupServiceNextEx"
    case .end, .endUnanswered: "NSPv2LookupServiceEnd"
    case .setService: "NSPv2SetServiceEx"
    case .rundown: "NSPv2ClientSessionRundown"
    case .installClass: "NSPInstallServiceClass"
    case .removeClass: "NSPRemoveServiceClass"
    case .classInfo: "NSPGetServiceClassInfo"
    case .ioctl: "NSPIoctl"
    case .channel, .nothing: nil
    }
  }
}

extension Catalog.Entry {
  /// Whether it was installed as a service, which serves all users (nsp.md §13.1).
  fileprivate var isService: Bool {
    guard manifest.nameSpace == .email, let blob, let parsed = try? InstallationBlob(parsing: blob) else { return false }
    return parsed.providerType == 2
  }
}

/// What the process of a provider says.
extension Requests {
  func advertise(_ payload: UnsafeMutableRawBufferPointer, _ connection: Connection) throws(WinsockError) {
    guard let request = AdvertiseRequest(UnsafeRawBufferPointer(payload)), let session = connection.session else {
      throw .invalidArgument
    }
    try advertisements.advertise(
      request.provider.value(as: GUID.self), request.entries, traits: ProviderTraits(rawValue: request.traits), by: connection,
      session: session.number)
  }

  func unadvertise(_ payload: UnsafeMutableRawBufferPointer, _ connection: Connection) throws(WinsockError) {
    guard let request = UnadvertiseRequest(UnsafeRawBufferPointer(payload)), let session = connection.session?.number else {
      throw .invalidArgument
    }
    let id = request.provider.value(as: GUID.self)
    guard request.isInside != 0 else { return try advertisements.unadvertise(id, session: session) }
    // The routine that asks does not return before it is answered.
    HostThreads.run { [advertisements] in try? advertisements.unadvertise(id, session: session) }
  }

  func complete(_ payload: UnsafeMutableRawBufferPointer, _ connection: Connection) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let number = CallCompletion(&fields)?.number, let outcome = AwaitedOutcome.Outcome(&fields) else {
      throw .invalidArgument
    }
    advertisements.completed(number, outcome, from: connection)
  }

  func changed(_ payload: UnsafeMutableRawBufferPointer, _ connection: Connection) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let report = ChangeReport(&fields), let kind = ChangeKind(rawValue: report.change),
      let name = Self.text(&fields, report.units)
    else { throw .invalidArgument }
    try advertisements.changed(report.provider.value(as: GUID.self), kind, name, from: connection)
  }

  func note(_ payload: UnsafeMutableRawBufferPointer, _ connection: Connection) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    let processID = connection.peer.processID
    guard connection.isWorker, let note = WorkerNoteRequest(&fields), let kind = WorkerNoteKind(rawValue: note.about) else {
      throw .invalidArgument
    }
    if kind == .failing || kind == .answering {
      let reason = kind == .answering ? nil : ProviderCondition.reason(String(decoding: fields.rest, as: UTF8.self))
      advertisements.workers.noted(processID, .failing(reason, note.number))
      return advertisements.passOnReports(processID)
    }
    let lines = String(decoding: fields.rest, as: UTF8.self).split(separator: "\n").map(String.init)
    if kind == .confinement { return advertisements.workers.noted(processID, .confinement(lines)) }
    guard lines.count == 3, let reason = Refusal.Reason(rawValue: lines[0]) else { throw .invalidArgument }
    advertisements.workers.noted(processID, .refused(reason, detail: lines[1], remedy: lines[2]))
  }

  /// What a worker's provider says. Nobody else has a word in the host's log.
  func log(_ payload: UnsafeMutableRawBufferPointer, _ connection: Connection) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard connection.isWorker, let line = LogLine(&fields), let level = LogLevel(rawValue: line.level),
      let name = advertisements.workers.name(of: connection.peer.processID)
    else { throw .invalidArgument }
    let text = String(decoding: fields.rest, as: UTF8.self)
    HostLog.write(level, provider: name, query: line.query == 0 ? nil : QueryID(rawValue: line.query), text)
  }
}
