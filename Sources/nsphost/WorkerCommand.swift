import ArgumentParser
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
      What nsphost serve starts for providers with isolation = "worker". It takes the provider's settings from descriptor 3, connects to \
      the host, confines itself, loads the file, and serves it until the host ends, or closes the other end of that descriptor.
      """)

  @Argument(help: "The provider's file.", completion: .file(extensions: ["so"]))
  var file: String

  @Option(name: .long, help: ArgumentHelp("The provider's id.", valueName: "guid"))
  var provider: String

  @Option(name: .long, help: "What the provider is called.")
  var name: String?

  @Option(name: .long, help: ArgumentHelp("The socket of the host.", valueName: "path"), completion: .file())
  var socket: String

  @Flag(name: .long, help: "Keep the file mapped for good.")
  var keepMapped = false

  @Flag(name: .long, help: "Accept the provider without Begin, NextEx or End.")
  var allowPartial = false

  @Flag(name: .long, help: "The provider asks for the classes of queries.")
  var takesClasses = false

  @Flag(name: .long, help: "The file advertises its provider itself.")
  var advertises = false

  @Option(name: .long, help: "How much static thread-local storage this process keeps for the file.")
  var staticTLS: Int = 0

  @Option(name: .long, help: "How many of its routines may run at a time.")
  var concurrency: Int?

  @Flag(name: .long, help: "End of a lookup waits until its NextEx has returned.")
  var endsWait = false

  @Option(name: .long, help: "How many bytes it may allocate besides those that it begins with.")
  var memoryBytes: UInt64 = 0

  @Option(name: .long, help: "How much processor time it may take, in all.")
  var cpuSeconds: UInt64 = 0

  @Option(name: .long, help: "How many descriptors it may open besides those that it begins with.")
  var descriptors: UInt64 = 0

  @Option(name: .long, help: "How many children it may have; 0: none, and no other program.")
  var processes: UInt64?

  @Option(name: .long, help: "The user to go on as.")
  var user: String?

  @Flag(name: .long, help: "Files can be read only where --allow-read says so, and not written.")
  var restrictReading = false

  @Option(name: .long, parsing: .singleValue, help: ArgumentHelp("A folder or file that can be read.", valueName: "path"))
  var allowRead: [String] = []

  @Flag(name: .long, help: "Connections can be made only where --allow-connect says so.")
  var restrictConnecting = false

  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp("What can be connected to: tcp:PORT, tcp:*, udp:*, unix:*, unix:/PATH.", valueName: "rule"))
  var allowConnect: [String] = []

  func run() throws {
    let (input, host) = (Worker.keep(Int32(NSP_WORKER_INPUT)), Worker.keep(nsp_pidfd_open(getppid())))
    nsp_last_words_install()
    signal(SIGPIPE, SIG_IGN)
    // A signal of the terminal is for the host, which ends this process in order.
    signal(SIGINT, SIG_IGN)
    guard let id = GUID(provider) else {
      throw CommandFailure(
        what: "worker", why: "\(provider) is no GUID", remedy: "write it as 8-4-4-4-12 hexadecimal digits", isJSON: false)
    }
    Worker.makeRoom(forStaticTLS: staticTLS)
    nsp_name_process("nsp-" + (name ?? file.lastPathComponent).printable)
    let turns = RoutineTurns(concurrency: concurrency, endsWait: endsWait)
    guard
      let worker = Worker(id, name: name ?? file.lastPathComponent, settings: Self.settings(input), turns: turns, socket: socket)
    else {
      throw CommandFailure(
        kind: .unreachable, what: socket, why: "no host that wants this process listens there",
        remedy: "let nsphost serve start it", isJSON: false)
    }
    let isOver = DispatchSemaphore(value: 0)
    do throws(Refusal) {
      worker.note(confinement: try confine())
      HostThreads.run {
        Self.awaitEnd(input, of: host)
        isOver.signal()
        // The host that would kill what hangs may be gone.
        sleep(5)
        kill(0, SIGKILL)
      }
      try worker.serve(
        file, isUnloadable: !keepMapped, allowsPartial: allowPartial, takesClasses: takesClasses, advertisesItself: advertises)
    } catch {
      worker.note(error)
      throw CommandFailure(what: file, why: error.detail, remedy: error.remedy, isJSON: false)
    }
    // No deadline: it serves until the host lets go of it.
    isOver.wait()
    worker.finish()
    // Nobody else ends what it has started.
    if getppid() == 1 { kill(0, SIGKILL) }
  }

  /// The provider's own settings, which the host has sent before anything else.
  private static func settings(_ input: Int32) -> Manifest.Settings {
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
    guard size.count == 4 else { return [:] }
    return SettingsOnTheWay.settings(bytes(Int(size.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) })))
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
  private func confine() throws(Refusal) -> [String] {
    var wanted = nsp_confinement()
    wanted.memory_bytes = memoryBytes
    wanted.cpu_seconds = cpuSeconds
    wanted.descriptors = descriptors
    wanted.limits_processes = processes == nil ? 0 : 1
    wanted.processes = processes ?? 0
    wanted.forbids_core_files = 0
    wanted.restricts_reading = restrictReading ? 1 : 0
    wanted.restricts_connecting = restrictConnecting ? 1 : 0
    wanted.restricts_signals = 1
    var got = nsp_confinement_in_force()
    let folder = String(file.dropLast(file.lastPathComponent.count))
    let status = withCStrings(allowRead) { readable in
      withCStrings(allowConnect) { reachable in
        withOptionalCString(user) { user in
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
    return lines(got)
  }

  private func lines(_ got: nsp_confinement_in_force) -> [String] {
    let measures: [(String, nsp_standing)] = [
      ("no new privileges", got.no_new_privileges), ("memory: \(memoryBytes >> 20) MiB more", got.memory),
      ("processor time: \(cpuSeconds) s", got.cpu_time), ("descriptors: \(descriptors) more", got.descriptors),
      (processes == 0 ? "no children, no other programs" : "processes: \(processes ?? 0)", got.processes),
      ("user \(user ?? "")", got.user),
      ("reads only \((["what libraries need"] + allowRead).joined(separator: ", ")), writes nothing", got.reading),
      ("connects only to \(allowConnect.isEmpty ? "nothing" : allowConnect.joined(separator: ", "))", got.socket_kinds),
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

  private func withOptionalCString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    text.map { $0.withCString { body($0) } } ?? body(nil)
  }

  private func withCStrings<Result>(_ texts: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Result) -> Result {
    let copies = texts.map { UnsafePointer(strdup($0)) }
    defer { for copy in copies { free(UnsafeMutablePointer(mutating: copy)) } }
    return copies.withUnsafeBufferPointer { body($0) }
  }
}
