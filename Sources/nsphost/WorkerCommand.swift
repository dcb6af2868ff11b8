import ArgumentParser
import BoundedTOML
import CConfinement
import CLastWords
import CLinux
import CWinsock
import Dispatch
import Glibc
import Providers
import QuerySets
import Serving

struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Run one provider for a host, in this process.",
    discussion: """
      What nsphost serve starts for providers with isolation = "worker". It takes its order from descriptor 3: the file, the host, what \
      confines it, and the provider's settings. Then it connects to the host, confines itself, loads the file, and serves it until the \
      host ends, or closes the other end of that descriptor.
      """)

  @Argument(help: "The provider's file, for those who list processes.", completion: .file(extensions: ["so"]))
  var file: String

  func run() throws {
    let (input, host) = (Worker.keep(Int32(NSP_WORKER_INPUT)), Worker.keep(nsp_pidfd_open(getppid())))
    nsp_last_words_install()
    signal(SIGPIPE, SIG_IGN)
    // A signal of the terminal is for the host, which ends this process in order.
    signal(SIGINT, SIG_IGN)
    let order = try Self.order(input)
    let manifest = order.manifest
    Worker.makeRoom(forStaticTLS: order.staticTLS)
    nsp_name_process("nsp-" + manifest.displayName.printable)
    let turns = RoutineTurns(concurrency: manifest.concurrency, endsWait: manifest.endsWait)
    guard
      let worker = Worker(
        manifest.id, name: manifest.displayName, settings: manifest.settings, turns: turns, socket: order.socket)
    else {
      throw CommandFailure(
        kind: .unreachable, what: order.socket, why: "no host that wants this process listens there",
        remedy: "let nsphost serve start it")
    }
    let isOver = DispatchSemaphore(value: 0)
    do throws(Refusal) {
      worker.note(confinement: try Self.confine(manifest.confinement, order.file))
      HostThreads.run {
        Self.awaitEnd(input, of: host)
        isOver.signal()
        // The host that would kill what hangs may be gone.
        sleep(5)
        kill(0, SIGKILL)
      }
      try worker.serve(
        order.file, isUnloadable: !order.staysMapped, allowsPartial: manifest.allowsPartial, takesClasses: order.takesClasses,
        advertisesItself: manifest.advertises)
    } catch {
      worker.note(error)
      throw CommandFailure(what: order.file, why: error.detail, remedy: error.remedy)
    }
    // No deadline: it serves until the host lets go of it.
    isOver.wait()
    worker.finish()
    // Nobody else ends what it has started.
    if getppid() == 1 { kill(0, SIGKILL) }
  }

  /// What the host has sent before anything else.
  private static func order(_ input: Int32) throws -> WorkerOrder {
    func bytes(_ count: Int) -> [UInt8] {
      [UInt8](unsafeUninitializedCapacity: count) { buffer, have in
        while have < count {
          let got = read(input, buffer.baseAddress! + have, count - have)
          if got < 0, errno == EINTR { continue }
          guard got > 0 else { return }
          have += got
        }
      }
    }
    let size = bytes(4)
    guard size.count == 4 else {
      throw CommandFailure(
        kind: .usage, what: "worker", why: "descriptor 3 has no order", remedy: "let nsphost serve start it")
    }
    let body = bytes(Int(size.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }))
    do throws(Problems) { return try WorkerOrder(body: body) } catch { throw CommandFailure(error) }
  }

  /// Waits until the host closes the other end, or is gone: then a child of its own may hold that end open.
  private static func awaitEnd(_ input: Int32, of host: Int32) {
    var byte: UInt8 = 0
    var both = [pollfd(fd: input, events: Int16(POLLIN), revents: 0), pollfd(fd: host, events: Int16(POLLIN), revents: 0)]
    while true {
      let ready = poll(&both, 2, -1)
      if ready < 0, errno == EINTR { continue }
      guard ready > 0, both[0].revents != 0, both[1].revents == 0 else { return }
      let count = read(input, &byte, 1)
      if count == 0 || count < 0 && errno != EINTR { return }
    }
  }

  // MARK: Confinement

  /// Puts in force what is wanted, and says how it stands: a line each. On the only thread that there is.
  private static func confine(_ rules: Confinement, _ file: String) throws(Refusal) -> [String] {
    var wanted = nsp_confinement()
    wanted.memory_bytes = UInt64(rules.memory ?? 0)
    wanted.cpu_seconds = UInt64(rules.processorSeconds ?? 0)
    wanted.descriptors = UInt64(rules.descriptors ?? 0)
    wanted.limits_processes = rules.processes == nil ? 0 : 1
    wanted.processes = UInt64(rules.processes ?? 0)
    wanted.forbids_core_files = 0
    wanted.restricts_reading = rules.readable == nil ? 0 : 1
    wanted.restricts_connecting = rules.reachable == nil ? 0 : 1
    wanted.restricts_signals = 1
    var got = nsp_confinement_in_force()
    let folder = String(file.dropLast(file.lastPathComponent.count))
    let status = withCStrings(rules.readable ?? []) { readable in
      withCStrings(rules.reachable ?? []) { reachable in
        withOptionalCString(rules.user) { user in
          folder.withCString { folder in
            wanted.readable = readable.baseAddress
            wanted.readable_count = readable.count
            wanted.reachable = reachable.baseAddress
            wanted.reachable_count = reachable.count
            wanted.user = user
            wanted.folder = folder
            let status = nsp_confine(&wanted, &got)
            // What it says of the subject is a text of these.
            return (status, got.subject.map { String(cString: $0) })
          }
        }
      }
    }
    guard status.0 == 0 else {
      let measure = got.measure.map { String(cString: $0) } ?? "it"
      let subject = status.1.map { " (\($0))" } ?? ""
      throw Refusal(
        path: file, reason: .failedToLoad,
        detail: "\(measure)\(subject) can't be put in force: \(String(cString: strerror(got.failure)))",
        remedy: "correct it in the manifest or the configuration")
    }
    return lines(got, rules)
  }

  private static func lines(_ got: nsp_confinement_in_force, _ rules: Confinement) -> [String] {
    let measures: [(String, nsp_standing)] = [
      ("no new privileges", got.no_new_privileges), ("memory: \((rules.memory ?? 0) >> 20) MiB more", got.memory),
      ("processor time: \(rules.processorSeconds ?? 0) s", got.cpu_time),
      ("descriptors: \(rules.descriptors ?? 0) more", got.descriptors),
      (rules.processes == 0 ? "no children, no other programs" : "processes: \(rules.processes ?? 0)", got.processes),
      ("user \(rules.user ?? "")", got.user),
      ("reads only \((["what libraries need"] + (rules.readable ?? [])).joined(separator: ", ")), writes nothing", got.reading),
      (
        "connects only to \(rules.reachable?.isEmpty != false ? "nothing" : rules.reachable?.joined(separator: ", ") ?? "")",
        got.socket_kinds
      ),
      ("single TCP ports", got.tcp_ports), ("single paths of sockets", got.unix_paths),
      ("no abstract sockets of others", got.abstract_sockets), ("no signals to others", got.signals),
    ]
    return measures.compactMap { text, standing in
      switch standing {
      case NSP_IN_FORCE: text
      case NSP_LACKING: "not in force, this kernel lacks it or does not hold it against this user: \(text)"
      default: nil
      }
    }
  }

  private static func withOptionalCString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    text.map { $0.withCString { body($0) } } ?? body(nil)
  }

  private static func withCStrings<Result>(_ texts: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Result)
    -> Result
  {
    let copies = texts.map { UnsafePointer(strdup($0)) }
    defer { for copy in copies { free(UnsafeMutablePointer(mutating: copy)) } }
    return copies.withUnsafeBufferPointer { body($0) }
  }
}
