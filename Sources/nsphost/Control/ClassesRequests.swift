import CWinsock
import Hosting
import QuerySets
import ServiceClasses
import Sessions

extension Control {
  /// A service class as a host knows it.
  struct KnownClass: Codable, Sendable {
    var id: String
    var name: String
    var values: [Value]
    var keepers: [Keeper]
    var isWellKnown: Bool

    struct Value: Codable, Sendable {
      var namespace: String
      var name: String
      var type: String
      var reading: ServiceClass.Entry.Reading
      /// The same for people.
      var text: String
    }
    /// Who keeps it, and how many of its values: a provider keeps what concerns it.
    struct Keeper: Codable, Sendable {
      var provider: String
      var values: Int
    }

    fileprivate init(_ known: ServiceClass, _ keepers: [Keeper], isWellKnown: Bool) {
      (id, name, self.keepers, self.isWellKnown) = (known.id.description, known.name, keepers, isWellKnown)
      values = known.entries.map { entry in
        Value(
          namespace: entry.nameSpace.description, name: entry.name, type: entry.type.name, reading: entry.reading,
          text: entry.text)
      }
    }
  }

  /// The classes that were installed, and those that are well known.
  struct ListClasses: ControlRequest {
    static let name = "classes list"
    static let isForOperators = false
    /// Without those that are well known.
    var onlyInstalled: Bool

    struct Answer: Codable, Sendable {
      var classes: [KnownClass]
      /// Why what was installed can't be read.
      var defect: String?
      var isDisabled: Bool
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      let (registry, asking) = (host.engine.classes, try client().identity)
      let schema = registry.schema
      var classes = (schema?.installed ?? []).map { known in
        KnownClass(known, registry.keepers(of: known.id, for: asking).map(KnownClass.Keeper.init), isWellKnown: false)
      }
      if !onlyInstalled { classes += (schema?.preallocated ?? []).map { KnownClass($0, [], isWellKnown: true) } }
      return Answer(
        classes: classes, defect: schema?.defect.map { "\($0.detail): \($0.remedy)" }, isDisabled: schema == nil)
    }
  }

  /// Every value of a class, and who keeps it.
  struct ShowClass: ControlRequest {
    static let name = "classes show"
    static let isForOperators = false
    var reference: ClassReference

    struct Answer: Codable, Sendable {
      var classes: [KnownClass]
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      let registry = host.engine.classes
      let found = reference.candidates(in: registry.schema)
      let unknown = reference.unknown(isDisabled: registry.schema == nil)
      guard !found.isEmpty else { throw unknown }
      let asking = try client().identity
      let known = found.compactMap { id -> KnownClass? in
        let keepers = registry.keepers(of: id, for: asking)
        return keepers.first.map { first in
          KnownClass(
            first.known, keepers.map(KnownClass.Keeper.init), isWellKnown: registry.schema?.isPreallocated(first.known.id) == true
          )
        }
      }
      guard !known.isEmpty else { throw unknown }
      return Answer(classes: known)
    }
  }

  /// What became of a class at everybody who keeps classes.
  struct ChangedClass: Codable, Sendable {
    var id: String
    var name: String
    var outcomes: [Outcome]

    struct Outcome: Codable, Sendable {
      var provider: String
      /// Nil: done.
      var failure: WinsockError?
    }

    fileprivate init(_ id: GUID, _ name: String, _ outcomes: [ClassOutcome]) {
      (self.id, self.name) = (id.description, name)
      self.outcomes = outcomes.map { Outcome(provider: $0.provider, failure: $0.failure) }
    }
  }

  /// Installs the classes of a file.
  struct InstallClasses: ControlRequest {
    static let name = "classes install"
    static let isForOperators = false
    /// What it is called.
    var file: String
    /// What is in it.
    var text: String

    typealias Answer = [ChangedClass]

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      let (registry, client) = (host.engine.classes, try client().identity)
      guard registry.mayWrite(client) else {
        throw failure("you may not install classes", "ask an operator, or have classes.writers name you", .accessDenied)
      }
      let classes = try classes()
      if let there = classes.first(where: { registry.schema?.isInstalled($0.id) == true }) { throw isThere(there) }
      return try classes.map { new in
        do throws(WinsockError) {
          let outcomes = try registry.install(new, for: client)
          if let error = outcomes.installation { throw error }
          return ChangedClass(new.id, new.name, outcomes)
        } catch {
          if error == .alreadyInProgress { throw isThere(new) }
          let defect = registry.schema?.defect
          throw failure(
            "class \(new.name): " + (defect?.detail ?? error.meaning),
            defect?.remedy ?? "nsphost classes shows what is installed", error)
        }
      }
    }

    /// Those that the text describes.
    func classes() throws(CommandFailure) -> [ServiceClass] {
      do throws(ClassFile.Defect) { return try ClassFile(toml: text, path: file == "-" ? "standard input" : file).classes } catch
      {
        throw failure(error.detail, error.remedy)
      }
    }

    private func isThere(_ known: ServiceClass) -> CommandFailure {
      failure(
        "class \(known.name) is installed already", "to change it, remove it first: nsphost classes remove \(known.id)",
        .alreadyInProgress)
    }

    private func failure(_ why: String, _ remedy: String, _ error: WinsockError? = nil) -> CommandFailure {
      CommandFailure(
        kind: error == .accessDenied ? .notPermitted : .failed, error: error, what: file, why: why, remedy: remedy)
    }
  }

  /// Removes a class that was installed.
  struct RemoveClass: ControlRequest {
    static let name = "classes remove"
    static let isForOperators = false
    var reference: ClassReference

    typealias Answer = ChangedClass

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      let (classes, asking) = (host.engine.classes, try client())
      let id = try reference.one(in: classes.schema)
      let name = (try? classes.name(of: id, for: asking.identity)) ?? id.description
      do throws(WinsockError) {
        let outcomes = try host.engine.removeClass(asking, id)
        if let error = outcomes.removal { throw error }
        return ChangedClass(id, name, outcomes)
      } catch {
        let isWellKnown = error == .typeNotFound && classes.schema?.serviceClass(id) != nil
        let remedies: [WinsockError: String] = [
          .tooManyReferences: "unregister its instances: nsphost registrations shows them",
          .accessDenied: "ask an operator, or have classes.writers name you",
        ]
        throw CommandFailure(
          kind: error == .accessDenied ? .notPermitted : error == .typeNotFound && !isWellKnown ? .nothingFound : .failed,
          error: error, what: "class \(name)", why: isWellKnown ? "it is well known, and was not installed" : error.meaning,
          remedy: remedies[error] ?? "nsphost classes lists them")
      }
    }
  }
}

extension Control.KnownClass.Keeper {
  fileprivate init(_ keeper: (provider: String, known: ServiceClass)) {
    (provider, values) = (keeper.provider, keeper.known.entries.count)
  }
}

/// A class by its id or its name.
enum ClassReference: Codable, Sendable {
  case id(GUID)
  case name(String)

  init?(argument: String) {
    if argument.isEmpty { return nil }
    self = GUID(argument).map { .id($0) } ?? .name(argument)
  }

  init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    self = GUID(text).map { .id($0) } ?? .name(text)
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
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
  func one(in schema: SchemaProvider?) throws(CommandFailure) -> GUID {
    let found = candidates(in: schema)
    guard let first = found.first else { throw unknown(isDisabled: schema == nil) }
    // Of a port that both have, the one of TCP.
    guard found.count == 1 || found.allSatisfy({ schema?.isPreallocated($0) == true }) else {
      throw CommandFailure(
        kind: .usage, what: "class \(text)", why: "\(found.count) classes have this name",
        remedy: "name one by its id: \(found.map(\.description).joined(separator: ", "))")
    }
    return first
  }

  func unknown(isDisabled: Bool) -> CommandFailure {
    CommandFailure(
      kind: .nothingFound, error: .typeNotFound, what: "class \(text)",
      why: isDisabled ? "the schema provider, which knows the names, is disabled" : "nobody knows it",
      remedy: isDisabled ? "name it by its id, or nsphost enable schema" : "nsphost classes lists them")
  }
}

extension ServiceClass.Entry.Reading: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(UInt64.self) {
      self = .number(number)
    } else if let text = try? container.decode(String.self) {
      self = .text(text)
    } else if let texts = try? container.decode([String].self) {
      self = .texts(texts)
    } else {
      self = .bytes(try container.decode(Bytes.self).bytes)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .number(let number): try container.encode(number)
    case .text(let text): try container.encode(text)
    case .texts(let texts): try container.encode(texts)
    case .bytes(let bytes): try container.encode(Bytes(bytes: bytes))
    }
  }

  /// Told from texts by its key.
  private struct Bytes: Codable {
    var bytes: [UInt8]
  }
}
