import ArgumentParser
import Foundation
import Glibc
import QuerySets
import ServiceClasses

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

  static let mayBeRepeated = true

  func request() -> Control.ListClasses { Control.ListClasses(onlyInstalled: installed) }

  func output(_ answer: Control.ListClasses.Answer) -> CommandOutput {
    if options.json { return CommandOutput(ClassesDocument(answer.classes)) }
    var lines = Output.table(
      ["NAME", "ID", "VALUES", "KEPT BY"],
      answer.classes.map { [$0.name, $0.id, String($0.values.count), $0.keptBy.joined(separator: ", ")] },
      rightAligned: [2])
    lines += ["", Output.count(answer.classes.count, "class", "classes")]
    if let defect = answer.defect { lines.append("what was installed can't be read: \(defect)") }
    if answer.isDisabled { lines.append("the schema provider is disabled: nsphost enable schema") }
    return CommandOutput(lines)
  }
}

struct ShowClassCommand: HostCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Show every value of a class, and who keeps it.")

  @OptionGroup var options: HostOptions
  @OptionGroup var choice: ClassChoice

  static let mayBeRepeated = true

  func request() -> Control.ShowClass { Control.ShowClass(reference: choice.reference) }

  func output(_ answer: Control.ShowClass.Answer) -> CommandOutput {
    if options.json { return CommandOutput(ClassesDocument(answer.classes)) }
    return CommandOutput(answer.classes.flatMap(lines))
  }

  private func lines(_ known: Control.KnownClass) -> [String] {
    let values = known.values.map { ["    " + $0.namespace, $0.name, $0.type, $0.text] }
    let keptBy = known.isWellKnown ? "well known" : known.keepers.map { Self.text($0, known) }.joined(separator: ", ")
    return ["\(known.name.printable)  \(known.id)"] + Output.columns(values) + ["    kept by: " + keptBy]
  }

  private static func text(_ keeper: Control.KnownClass.Keeper, _ whole: Control.KnownClass) -> String {
    let all = whole.values.count
    return keeper.values == all ? keeper.provider : "\(keeper.provider) (\(keeper.values) of \(all) values)"
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

  private static let maximumSize = 1 << 19

  /// Standard input is read once, by the process that asks.
  func run() throws {
    if let running = try options.runningHost() {
      let request = try request()
      // Before the host is asked.
      _ = try request.classes()
      return try output(try running.ask(request)).show()
    }
    try options.requireState(for: "classes install")
    try options.performAlone(choose: needed, later: loadsItself) { try show($0) }
  }

  func request() throws -> Control.InstallClasses { Control.InstallClasses(file: file, text: try contents()) }

  func output(_ answer: [Control.ChangedClass]) -> CommandOutput {
    options.json
      ? CommandOutput(ClassChangesDocument(answer)) : CommandOutput(answer.flatMap { $0.lines("installed") })
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

  private func failure(_ why: String, _ remedy: String) -> CommandFailure {
    CommandFailure(what: file, why: why, remedy: remedy)
  }
}

struct RemoveClassCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove a class that was installed.",
    discussion: "Not while an instance of it is registered: nsphost registrations shows who has one.")

  @OptionGroup var options: HostOptions
  @OptionGroup var choice: ClassChoice

  func request() throws -> Control.RemoveClass {
    try options.requireState(for: "classes remove")
    return Control.RemoveClass(reference: choice.reference)
  }

  func output(_ answer: Control.ChangedClass) -> CommandOutput {
    options.json ? CommandOutput(ClassChangesDocument([answer])) : CommandOutput(answer.lines("removed"))
  }
}

extension ClassReference: ExpressibleByArgument {}

struct ClassChoice: ParsableArguments {
  @Argument(help: ArgumentHelp("A class's id or name.", valueName: "class"))
  var reference: ClassReference
}

extension Control.KnownClass {
  fileprivate var keptBy: [String] { isWellKnown ? ["well known"] : keepers.map(\.provider) }
}

extension Control.ChangedClass {
  fileprivate func lines(_ verb: String) -> [String] {
    ["\(verb) \(name.printable)  \(id)"]
      + Output.columns(outcomes.map { ["    " + $0.provider, $0.failure.map(\.symbolicName) ?? "done"] })
  }
}

private struct ClassChangesDocument: Encodable {
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

  init(_ changed: [Control.ChangedClass]) {
    classes = changed.map { one in
      Body(
        name: one.name, id: one.id,
        outcome: one.outcomes.map {
          Outcome(
            provider: $0.provider, status: $0.failure == nil ? "done" : "refused", code: $0.failure?.rawValue,
            name: $0.failure?.symbolicName)
        })
    }
  }
}

private struct ClassesDocument: Encodable {
  struct Value: Encodable {
    var namespace: String
    var name: String
    var type: String
    var value: Reading
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
  }
  let schema = "nsphost.classes/1"
  let host = HostEnvelope()
  var classes: [Body]

  init(_ known: [Control.KnownClass]) {
    classes = known.map { one in
      Body(
        name: one.name, id: one.id,
        values: one.values.map {
          .init(namespace: $0.namespace, name: $0.name, type: $0.type, value: .init(reading: $0.reading))
        },
        keptBy: one.keptBy)
    }
  }
}
