import ArgumentParser
import CWinsock
import Foundation
import Glibc
import Hosting
import QuerySets
import ServiceClasses
import Sessions

struct ClassesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "classes",
    abstract: "Show, install and remove service classes: the kinds of services, and what is known of each.",
    subcommands: [ListClassesCommand.self, ShowClassCommand.self, InstallClassesCommand.self, RemoveClassCommand.self],
    defaultSubcommand: ListClassesCommand.self)
}

struct ListClassesCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the classes that were installed, and those that are well known.")

  @OptionGroup var options: HostOptions

  @Flag(name: .long, help: "Leave out those that are well known.")
  var installed = false

  static let isForOperators = false
  static let mayBeRepeated = true

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    let schema = host.engine.classes.schema
    let asking = try client().identity
    var classes = (schema?.installed ?? []).map { known in
      Class(known, keptBy: host.engine.classes.keepers(of: known.id, for: asking).map(\.provider))
    }
    if !installed { classes += (schema?.preallocated ?? []).map { Class($0, keptBy: ["well known"]) } }
    if options.json { return CommandOutput(ClassesDocument(classes: classes.map { .init($0.known, keptBy: $0.keptBy) })) }
    var lines = Output.table(
      ["NAME", "ID", "VALUES", "KEPT BY"],
      classes.map {
        [$0.known.name, $0.known.id.description, String($0.known.entries.count), $0.keptBy.joined(separator: ", ")]
      },
      rightAligned: [2])
    lines += ["", Output.count(classes.count, "class", "classes")]
    if let defect = schema?.defect { lines.append("what was installed can't be read: \(defect.detail): \(defect.remedy)") }
    if schema == nil { lines.append("the schema provider is disabled: nsphost enable schema") }
    return CommandOutput(lines)
  }

  private struct Class {
    var known: ServiceClass
    var keptBy: [String]
    init(_ known: ServiceClass, keptBy: [String]) { (self.known, self.keptBy) = (known, keptBy) }
  }
}

struct ShowClassCommand: HostCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Show every value of a class, and who keeps it.")

  @OptionGroup var options: HostOptions
  @OptionGroup var choice: ClassChoice

  static let isForOperators = false
  static let mayBeRepeated = true

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    let found = choice.reference.candidates(in: host.engine.classes.schema)
    let unknown = choice.reference.unknown(isJSON: options.json, isDisabled: host.engine.classes.schema == nil)
    guard !found.isEmpty else { throw unknown }
    let asking = try client().identity
    let classes = found.map { id in (id, host.engine.classes.keepers(of: id, for: asking)) }
    let known = classes.compactMap { id, keepers in keepers.first.map { ($0.known, keepers) } }
    guard !known.isEmpty else { throw unknown }
    if options.json {
      return CommandOutput(ClassesDocument(classes: known.map { .init($0.0, keptBy: $0.1.map(\.provider)) }))
    }
    return CommandOutput(known.flatMap { lines($0, keptBy: $1, in: host) })
  }

  private func lines(
    _ known: ServiceClass, keptBy keepers: [(provider: String, known: ServiceClass)], in host: ProviderHost
  ) -> [String] {
    let values = known.entries.map { ["    " + $0.nameSpace.description, $0.name, $0.type.name, $0.text] }
    let isWellKnown = host.engine.classes.schema?.isPreallocated(known.id) == true
    let keptBy = isWellKnown ? "well known" : keepers.map { Self.text($0, known) }.joined(separator: ", ")
    return ["\(known.name.printable)  \(known.id)"] + Output.columns(values) + ["    kept by: " + keptBy]
  }

  /// A provider keeps what concerns it.
  private static func text(_ keeper: (provider: String, known: ServiceClass), _ whole: ServiceClass) -> String {
    let (count, all) = (keeper.known.entries.count, whole.entries.count)
    return count == all ? keeper.provider : "\(keeper.provider) (\(count) of \(all) values)"
  }
}

struct InstallClassesCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "install", abstract: "Install the classes of a TOML file.",
    discussion: """
      [[class]] begins a class, with name and id; [[class.values]] each of its values, with name, namespace, type (dword, qword, string, \
      expand-string, strings, binary, none or a number) and value. Every provider that keeps classes is given the whole class. Where a class \
      of the file is installed already, none is.
      """)

  @OptionGroup var options: HostOptions

  @Argument(help: "The file; - for standard input.", completion: .file(extensions: ["toml"]))
  var file: String

  /// What is in the file, for a host that may not read it.
  @Option(name: .long, help: .hidden)
  var text: String?

  static let isForOperators = false
  private static let maximumSize = 1 << 19

  func run() throws {
    if let running = try options.runningHost() {
      let text = try contents()
      // Before the host is asked.
      _ = try classes(text)
      return try show(running, ["classes", "install", "--text=" + text] + (options.json ? ["--json"] : []) + ["--", file])
    }
    try options.requireState(for: "classes install")
    // Standard input is read by the process that installs.
    try options.performAlone { own in
      try install(try contents(), on: own.host, ProcessEnvironment.identity).show()
    }
  }

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    guard let text else { throw failure("its text is missing", "ask with this version of nsphost") }
    return try install(text, on: host, try client().identity)
  }

  private func contents() throws -> String {
    let descriptor = file == "-" ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw failure("it can't be read: " + String(cString: strerror(errno)), "name a file that you may read")
    }
    let bytes: Data
    do {
      let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
      bytes = try handle.read(upToCount: Self.maximumSize + 1) ?? Data()
    } catch { throw failure("it can't be read", "name a file with classes") }
    guard bytes.count <= Self.maximumSize else { throw failure("it has more than 512 KiB", "install it in parts") }
    guard let text = String(validating: bytes, as: UTF8.self), !text.utf8.contains(0) else {
      throw failure("it is not UTF-8 text", "write it as TOML")
    }
    return text
  }

  private func failure(_ why: String, _ remedy: String, _ error: WinsockError? = nil) -> CommandFailure {
    CommandFailure(
      kind: error == .accessDenied ? .notPermitted : .failed, error: error, what: file, why: why, remedy: remedy,
      isJSON: options.json)
  }

  private func install(_ text: String, on host: ProviderHost, _ client: ClientIdentity) throws -> CommandOutput {
    let registry = host.engine.classes
    guard registry.mayWrite(client) else {
      throw failure("you may not install classes", "ask an operator, or have classes.writers name you", .accessDenied)
    }
    let classes = try classes(text)
    if let there = classes.first(where: { registry.schema?.isInstalled($0.id) == true }) { throw isThere(there) }
    var reports: [ClassReport] = []
    for new in classes {
      do throws(WinsockError) {
        let outcomes = try registry.install(new, for: client)
        reports.append(ClassReport(verb: "installed", name: new.name, id: new.id, outcomes: outcomes))
        if let error = outcomes.installation { throw error }
      } catch {
        if error == .alreadyInProgress { throw isThere(new) }
        let defect = registry.schema?.defect
        throw failure(
          "class \(new.name): " + (defect?.detail ?? error.meaning), defect?.remedy ?? "nsphost classes shows what is installed",
          error)
      }
    }
    return options.json
      ? CommandOutput(ClassChangesDocument(classes: reports.map(\.document))) : CommandOutput(reports.flatMap(\.lines))
  }

  private func classes(_ text: String) throws -> [ServiceClass] {
    do throws(ClassFile.Defect) { return try ClassFile(toml: text, path: file == "-" ? "standard input" : file).classes } catch {
      throw failure(error.detail, error.remedy)
    }
  }

  private func isThere(_ known: ServiceClass) -> CommandFailure {
    failure(
      "class \(known.name) is installed already", "to change it, remove it first: nsphost classes remove \(known.id)",
      .alreadyInProgress)
  }
}

struct RemoveClassCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove a class that was installed.",
    discussion: "Not while an instance of it is registered: nsphost registrations shows who has one.")

  @OptionGroup var options: HostOptions
  @OptionGroup var choice: ClassChoice

  static let isForOperators = false

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    try options.requireState(for: "classes remove")
    let id = try choice.reference.one(in: host.engine.classes.schema, isJSON: options.json)
    let asking = try client()
    let name = (try? host.engine.classes.name(of: id, for: asking.identity)) ?? id.description
    do throws(WinsockError) {
      let outcomes = try host.engine.removeClass(asking, id)
      if let error = outcomes.removal { throw error }
      let report = ClassReport(verb: "removed", name: name, id: id, outcomes: outcomes)
      return options.json ? CommandOutput(ClassChangesDocument(classes: [report.document])) : CommandOutput(report.lines)
    } catch {
      let isWellKnown = error == .typeNotFound && host.engine.classes.schema?.serviceClass(id) != nil
      let remedies: [WinsockError: String] = [
        .tooManyReferences: "unregister its instances: nsphost registrations shows them",
        .accessDenied: "ask an operator, or have classes.writers name you",
      ]
      throw CommandFailure(
        kind: error == .accessDenied ? .notPermitted : error == .typeNotFound && !isWellKnown ? .nothingFound : .failed,
        error: error, what: "class \(name)", why: isWellKnown ? "it is well known, and was not installed" : error.meaning,
        remedy: remedies[error] ?? "nsphost classes lists them", isJSON: options.json)
    }
  }
}

/// A class by its id or its name.
enum ClassReference: ExpressibleByArgument, Sendable {
  case id(GUID)
  case name(String)

  init?(argument: String) {
    if argument.isEmpty { return nil }
    self = GUID(argument).map { .id($0) } ?? .name(argument)
  }

  var text: String {
    switch self {
    case .id(let id): id.description
    case .name(let name): name
    }
  }

  func candidates(in schema: SchemaProvider?) -> [GUID] {
    switch self {
    case .id(let id): [id]
    case .name(let name): schema?.classes(named: name).map(\.id) ?? []
    }
  }

  /// The one that is meant.
  func one(in schema: SchemaProvider?, isJSON: Bool) throws(CommandFailure) -> GUID {
    let found = candidates(in: schema)
    guard let first = found.first else { throw unknown(isJSON: isJSON, isDisabled: schema == nil) }
    // Of a port that both have, the one of TCP.
    guard found.count == 1 || found.allSatisfy({ schema?.isPreallocated($0) == true }) else {
      throw CommandFailure(
        kind: .usage, what: "class \(text)", why: "\(found.count) classes have this name",
        remedy: "name one by its id: \(found.map(\.description).joined(separator: ", "))", isJSON: isJSON)
    }
    return first
  }

  func unknown(isJSON: Bool, isDisabled: Bool) -> CommandFailure {
    CommandFailure(
      kind: .nothingFound, error: .typeNotFound, what: "class \(text)",
      why: isDisabled ? "the schema provider, which knows the names, is disabled" : "nobody knows it",
      remedy: isDisabled ? "name it by its id, or nsphost enable schema" : "nsphost classes lists them", isJSON: isJSON)
  }
}

struct ClassChoice: ParsableArguments {
  @Argument(help: ArgumentHelp("A class's id or name.", valueName: "class"))
  var reference: ClassReference
}

/// What became of a class at everybody who keeps classes.
struct ClassReport {
  let verb: String
  let name: String
  let id: GUID
  let outcomes: [ClassOutcome]

  var lines: [String] {
    ["\(verb) \(name.printable)  \(id)"]
      + Output.columns(outcomes.map { ["    " + $0.provider, $0.failure.map(\.symbolicName) ?? "done"] })
  }

  var document: ClassChangesDocument.Body {
    .init(
      name: name, id: id.description,
      outcome: outcomes.map {
        .init(
          provider: $0.provider, status: $0.failure == nil ? "done" : "refused", code: $0.failure?.rawValue,
          name: $0.failure?.symbolicName)
      })
  }
}

struct ClassChangesDocument: Encodable {
  struct Outcome: Encodable {
    var provider: String
    var status: String
    var code: Int32?
    var name: String?
  }
  struct Body: Encodable {
    var name: String
    var id: String
    var outcome: [Outcome]
  }
  let schema = "nsphost.class-change/1"
  let host = HostEnvelope()
  var classes: [Body]
}

struct ClassesDocument: Encodable {
  struct Value: Encodable {
    var namespace: String
    var name: String
    var type: String
    var value: Reading

    init(_ entry: ServiceClass.Entry) {
      (namespace, name, type) = (entry.nameSpace.description, entry.name, entry.type.name)
      value = Reading(reading: entry.reading)
    }
  }
  struct Reading: Encodable {
    var reading: ServiceClass.Entry.Reading

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch reading {
      case .number(let number): try container.encode(number)
      case .text(let text): try container.encode(text)
      case .texts(let texts): try container.encode(texts)
      case .bytes(let bytes): try container.encode(Output.hexadecimal(bytes))
      }
    }
  }
  struct Body: Encodable {
    var name: String
    var id: String
    var values: [Value]
    var keptBy: [String]

    init(_ known: ServiceClass, keptBy: [String]) {
      (name, id, values) = (known.name, known.id.description, known.entries.map(Value.init))
      self.keptBy = keptBy
    }
  }
  let schema = "nsphost.classes/1"
  let host = HostEnvelope()
  var classes: [Body]
}
