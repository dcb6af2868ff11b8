import ArgumentParser
import CLastWords
import CLinux
import CallManagement
import Dispatch
import Glibc
import HostDaemon
import Hosting
import Providers
import ServiceClasses
import Sessions

/// The host of a command that asks no other: it lives as long as the command.
///
/// The process of the command runs no code of a provider. Providers run in workers. Files that live in a host, and what needs a whole host,
/// have a process of their own: this command once more, which its parent watches (`HostChild`).
final class OwnHost {
  enum Need {
    /// Providers, each in a worker; a process of its own for the host only where a file lives in it.
    case providers
    /// A host that stays and loads what comes.
    case host
    /// A host whose process loads every file.
    case rehearsal
  }

  let host: ProviderHost
  private let options: HostOptions
  private let what: String
  private var server: HostServer?
  private var folder: SocketFolder?
  private var client: LoopbackClient?
  /// Providers whose process had died when the host stopped, and how.
  private(set) var deaths: [(provider: String, how: String)] = []

  /// Lists the files of the plugin directories, and loads none.
  init(_ options: HostOptions, what: String) {
    (self.options, self.what) = (options, what)
    if options.hostSign == nil {
      for defect in PluginDirectories.defects(of: options.namedDirectories) { Output.warn(defect.detail, help: defect.remedy) }
    }
    let isClaimed = options.claimState()
    host = ProviderHost()
    if let stateDirectory = options.stateDirectory {
      host.keepChanges(in: CatalogFile(directory: stateDirectory), environment: ProcessEnvironment.variables)
    }
    host.isolate(.worker, isForced: false, in: nil)
    host.load(from: options.resolvedDirectories, .nothing)
    host.keepClasses(in: SchemaProvider(directory: options.stateDirectory))
    if isClaimed, options.hostSign == nil, let defect = host.catalogDefect { Output.warn(defect.detail, help: defect.remedy) }
  }

  /// Files that were found good, and those that may be enabled.
  var files: [Candidate] {
    host.candidates.filter { candidate in
      switch candidate.state {
      case .ready, .disabled: true
      case .refused, .superseded: false
      }
    }
  }

  /// Loads some of the files. Calls out where this process is the host of a command.
  /// - Parameters:
  ///   - later: Which of them the command loads itself.
  ///   - staysUp: A worker that dies is started again, and signals are the command's own affair.
  func load(_ files: [Candidate], for need: Need, but later: (Candidate) -> Bool, staysUp: Bool) throws(CommandFailure) {
    let sign = options.hostSign
    if need == .rehearsal {
      host.isolate(.inProcess, isForced: true, in: nil)
    } else if !files.isEmpty || staysUp {
      host.isolate(.worker, isForced: true, in: try listen(staysUp: staysUp))
    }
    let paths = Set(files.filter { !later($0) }.map(\.path)).subtracting(options.without)
    let rule = LoadingRule(mayLoadHere: sign != nil) { candidate in
      sign?.send(candidate.map { .loading($0.path, within: $0.manifest?.grace ?? HostChild.timeToLoad) } ?? .loaded)
    } isWanted: { [without = Set(options.without)] candidate in
      need == .host ? !without.contains(candidate.path) : paths.contains(candidate.path)
    }
    host.load(from: options.resolvedDirectories, rule)
  }

  /// Loads one file in a worker, without the others. Nil: it can be loaded.
  func tryLoading(_ path: String) throws(CommandFailure) -> Refusal? {
    host.isolate(.worker, isForced: true, in: try listen(staysUp: false))
    host.load(file: path, LoadingRule(mayLoadHere: false) { _ in true })
    if case .refused(let refusal)? = host.candidates.first?.state { return refusal }
    return nil
  }

  /// The socket that workers, and this command itself, find the host at.
  private func listen(staysUp: Bool) throws(CommandFailure) -> Workers {
    // What is printed may have no reader; there is a folder to be taken away.
    signal(SIGPIPE, SIG_IGN)
    let path: String
    if let given = options.hostFolder {
      path = given
    } else {
      let folder = try SocketFolder(endsWithSignals: !staysUp)
      self.folder = folder
      path = folder.path
    }
    do throws(ListenFailure) {
      let server = try HostServer(host, path: SocketFolder.socket(in: path), restartsWorkers: staysUp) { _ in nil }
      self.server = server
      return server.workers
    } catch { throw CommandFailure(what: what, why: error.why, remedy: error.remedy) }
  }

  /// Where clients find it.
  func socket() throws(CommandFailure) -> String {
    if server == nil { _ = try listen(staysUp: false) }
    return server?.path ?? ""
  }

  /// This process as a client of the host; the same one each time.
  func session() throws -> ClientSession {
    if let client { return client.session }
    do throws(NDISStatus) {
      let client = try host.open(ProcessEnvironment.identity)
      self.client = client
      return client.session
    } catch {
      throw CommandFailure(
        kind: error == .notAccepted ? .notPermitted : .failed, what: what, why: "the host refused the call with \(error)",
        remedy: "see who may have a session")
    }
  }

  /// Ends the session and the host. Calls out.
  func stop() {
    client?.hangUpAndWait()
    server?.workers.awaitDeaths()
    deaths = host.catalog.entries.compactMap { entry in entry.death.map { (entry.manifest.displayName, $0) } }
    server?.stop()
    host.stop()
    folder?.remove()
  }
}

extension HostOptions {
  /// Where this process is the host of a command: how it tells that command how far it is.
  var hostSign: HostSign? { hostFor.map(HostSign.init) }

  /// Does something on a host of the command's own, and reports what failed. Throws the exit status only.
  ///
  /// A provider whose process died is named on standard error, and the status is not 0 then; what others have answered is printed.
  /// - Parameters:
  ///   - staysUp: Until the command is interrupted, which `body` waits for.
  ///   - mayRepeat: `body` can be done again after its host has died, with the providers that run in workers.
  ///   - choose: Which of the good files are needed.
  ///   - later: Which of those `body` loads itself.
  ///   - body: Does it, and prints.
  func performAlone(
    _ need: OwnHost.Need = .providers, staysUp: Bool = false, mayRepeat: Bool = false,
    choose: ([Candidate]) -> [Candidate] = { $0 }, later: (Candidate) -> Bool = { _ in false }, _ body: (OwnHost) throws -> Void
  ) throws {
    let words = CommandWords.ofProcess
    if hostFor != nil {
      // Where its parent is the first process of a container, nothing outlives that.
      if getppid() != 1 { nsp_end_with_parent() }
      nsp_last_words_install()
      HostLog.watchProcess()
    }
    let own = OwnHost(self, what: words.name)
    let files = choose(own.files)
    guard hostFor == nil, need != .providers || files.contains(where: { $0.image?.livesInHost == true }) else {
      return try perform(own, files, need, later, staysUp: staysUp, body)
    }
    own.stop()
    // Whatever becomes of the process of the host.
    let folder = try SocketFolder(endsWithSignals: false)
    defer { folder.remove() }
    var passedOver: [String] = []
    while true {
      let death: HostChild.Death
      switch try HostChild(words, in: folder, passingOver: passedOver).run() {
      case .ended(let status):
        guard status != 0 || !passedOver.isEmpty else { return }
        throw ExitCode(passedOver.isEmpty ? status : Self.statusAfterDeath(status))
      case .died(let how): death = how
      }
      let failure = death.failure(words)
      if let path = death.loading, need != .rehearsal, !passedOver.contains(path) {
        // The others are not to suffer from it.
        failure.reportAside()
        passedOver.append(path)
      } else if mayRepeat, !death.hasShown {
        failure.reportAside()
        let rest = OwnHost(self, what: words.name)
        do {
          try perform(rest, choose(rest.files).filter { $0.image?.livesInHost != true }, .providers, later, staysUp: false, body)
        } catch let status as ExitCode { throw ExitCode(Self.statusAfterDeath(status.rawValue)) }
        throw ExitCode(Self.statusAfterDeath(0))
      } else {
        throw failure
      }
    }
  }

  private func perform(
    _ own: OwnHost, _ files: [Candidate], _ need: OwnHost.Need, _ later: (Candidate) -> Bool, staysUp: Bool,
    _ body: (OwnHost) throws -> Void
  ) throws {
    var (status, said) = (Int32(0), "")
    do {
      try own.load(files, for: need, but: later, staysUp: staysUp)
      try body(own)
    } catch let code as ExitCode {
      status = code.rawValue
    } catch {
      guard let failure = error as? CommandFailure ?? CommandFailure(error, .ofProcess) else { throw error }
      failure.report()
      (status, said) = (failure.status, failure.why)
    }
    fflush(nil)
    hostSign?.send(.shown)
    own.stop()
    for (provider, how) in own.deaths {
      if !said.contains(how) {
        Output.warn("\(provider): its process has died: \(how)", help: "nsphost disable \(provider) leaves it out")
      }
      status = Self.statusAfterDeath(status)
    }
    hostSign?.send(.ended(status))
    if status != 0 { throw ExitCode(status) }
  }

  /// What was found without a provider that has died is not all that there is; nor is that nothing was found.
  private static func statusAfterDeath(_ status: Int32) -> Int32 {
    [0, CommandFailure.Kind.nothingFound.rawValue].contains(status) ? CommandFailure.Kind.failed.rawValue : status
  }
}
