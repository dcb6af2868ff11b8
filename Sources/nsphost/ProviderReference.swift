import ArgumentParser
import CWinsock
import NSPClient
import Providers
import QuerySets

/// A provider by its name, its id, or the first digits of its id.
struct ProviderReference: ExpressibleByArgument, Codable, Sendable {
  let text: String

  /// One that could be meant.
  struct Known: Hashable, Sendable {
    var id: GUID
    var name: String
  }

  init?(argument: String) {
    if argument.isEmpty { return nil }
    text = argument
  }

  /// Those that are meant. A name, also as it is printed, goes before an id that begins like it.
  func candidates(among known: [Known]) -> [Known] {
    let named = known.filter { $0.name == text || $0.name.printable == text }
    if !named.isEmpty { return named }
    if let id = GUID(text) { return known.filter { $0.id == id } }
    let digits = text.trimmingPrefix("{").lowercased()
    return digits.isEmpty ? [] : known.filter { $0.id.description.hasPrefix(digits) }
  }

  /// The one that is meant; nil where there is none.
  func find(among known: [Known]) throws(CommandFailure) -> GUID? {
    let found = candidates(among: known)
    guard found.count > 1 else { return found.first?.id }
    throw CommandFailure(
      kind: .usage, what: "provider \(text)", why: "\(found.count) providers are called so or have an id that begins so",
      remedy: "choose one by its id: \(found.map { "\($0.id) (\($0.name))" }.joined(separator: ", "))")
  }

  /// The files that it may mean. A file that registers modules says only when it is loaded whose they are.
  func files(among files: [Candidate]) -> [Candidate] {
    let named = files.filter { file in
      guard let manifest = file.manifest, file.hasEntry else { return false }
      return !candidates(among: [.init(id: manifest.id, name: manifest.displayName)]).isEmpty
    }
    return named.isEmpty ? files.filter { $0.image?.livesInHost == true } : named
  }

  /// For a query or a registration. An id that is whole is one, whether or not there is such a provider: who is asked says so.
  func one(among known: [Known]) throws(CommandFailure) -> GUID {
    if let id = try find(among: known) ?? GUID(text) { return id }
    throw CommandFailure(
      kind: .nothingFound, what: "provider \(text)", why: "there is no provider with this name, nor one whose id begins so",
      remedy: "nsphost providers lists names and ids")
  }
}

extension Sequence<Catalog.Entry> {
  var known: [ProviderReference.Known] { map { .init(id: $0.id, name: $0.manifest.displayName) } }
}

extension Sequence<NameService.Provider> {
  var known: [ProviderReference.Known] { map { .init(id: $0.id, name: $0.name) } }
}
