import CWinsock
import Glibc
import Hosting
import Providers
import QuerySets
import Rundown

/// The processes that this host has started, one for each provider that does not run in its own (design: process isolation).
public final class Workers: ProviderProcesses {
  private let host: ProviderHost
  private let socket: String
  private let restarts: Bool
  /// What they write; nil where they write it themselves.
  let output = WorkerOutput()
  private let known = Locked<[GUID: [WorkerProcess]]>([:])

  init(_ host: ProviderHost, socket: String, restarts: Bool) {
    (self.host, self.socket, self.restarts) = (host, socket, restarts)
  }

  public func start(_ image: ELFImage, at path: String, _ manifest: Manifest) throws(Refusal) -> any ProviderProcess {
    let worker = WorkerProcess(image, at: path, manifest, socket: socket, output: output, restarts: restarts) { [host] hosting in
      host.report(.process(hosting), to: manifest.id)
    } whenOver: { [weak self] worker in
      self?.known.withLock { known in
        known[manifest.id]?.removeAll { $0 === worker }
        if known[manifest.id]?.isEmpty == true { known[manifest.id] = nil }
      }
    }
    known.withLock { $0[manifest.id, default: []].append(worker) }
    worker.start()
    let mayBeLate = restarts && host.catalog[manifest.id]?.provider == nil
    let refusal = worker.settled() ?? (mayBeLate ? nil : worker.failureToStart)
    if let refusal {
      worker.stop()
      throw refusal
    }
    return worker
  }

  private func worker(_ processID: Int32) -> WorkerProcess? {
    known.withLock { known in known.values.lazy.flatMap { $0 }.first { $0.isOrWas(processID) } }
  }

  private func noted(_ processID: Int32, _ sign: WorkerMachine.Sign) { worker(processID)?.noted(sign, of: processID) }

  /// Whether a process that has connected is one of this host's, and this its first connection: that is the one which it serves over. Others
  /// are those of a client.
  func claim(_ processID: Int32) -> Bool { worker(processID)?.claim(processID) ?? false }

  /// Whether a process is the one that runs a provider for this host.
  func isWorker(_ processID: Int32, of id: GUID) -> Bool {
    known.withLock { $0[id]?.contains { $0.processID == processID } ?? false }
  }

  /// Whether a process is one of this host's.
  func isWorker(_ processID: Int32) -> Bool { worker(processID) != nil }

  /// What the provider of one of these processes is called.
  func name(of processID: Int32) -> String? { worker(processID)?.manifest.displayName }

  /// A worker's file has been loaded: what it provides is about to be attached, behind what it may take the place of.
  func isAdvertising(_ processID: Int32) { noted(processID, .loaded) }

  func hasAdvertised(_ processID: Int32) { noted(processID, .attached) }

  /// Why the provider of one of these processes can answer nothing; nil where it does not say so.
  func failing(of processID: Int32) -> String? { worker(processID)?.failing }

  /// What a worker says of its file, or of how it is confined.
  func noted(_ processID: Int32, _ note: WorkerNote) { noted(processID, .noted(note)) }

  /// A routine has not returned for longer than the provider is given: its process is killed.
  func isHung(_ processID: Int32) { noted(processID, .hung) }

  /// The connection of a worker is gone.
  /// - Parameter running: The routines that ran.
  func lost(_ processID: Int32, running: [String]) { noted(processID, .lost(running: running)) }

  /// Waits until what became of the processes is known that have left their providers; two seconds at most. For a host that does not start
  /// them again.
  public func awaitDeaths() {
    let lost = host.catalog.entries.filter { entry in
      entry.hosting?.state == .running && entry.provider?.condition.isGone != false
    }
    let deadline = MonotonicTime.now + .seconds(2)
    for worker in lost.compactMap({ entry in known.withLock { $0[entry.id]?.last } }) { worker.awaitEnd(until: deadline) }
  }

  /// Everything that it has said was heard.
  func parted(_ processID: Int32) { noted(processID, .parted) }

  /// Those that are there, for people.
  var obstacles: [String] {
    known.withLock { $0.values.flatMap { $0 } }.compactMap { worker in
      worker.processID.map { "the process \($0) of provider \(worker.manifest.displayName)" }
    }
  }

  /// Ends all of them.
  func stop() {
    let all = known.withLock { $0.values.flatMap { $0 } }
    for worker in all { worker.release() }
    // Each is killed where it does not end.
    HostThreads.runEach(all) { $0.stop() }
  }
}

/// What a worker tells of itself before it serves.
enum WorkerNote: Sendable, Equatable {
  /// Why its file can't be used, and what to do.
  case refused(Refusal.Reason, detail: String, remedy: String)
  /// How it is confined, a line each.
  case confinement([String])
  /// Why its provider can answer nothing; nil: it can. With the number of the report.
  case failing(String?, UInt32)
}
