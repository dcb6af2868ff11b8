import CWinsock
import QuerySets
import Synchronization

/// The class that a query or a registration names, and what is known of it: found once, when the first provider wants to know.
final class QueryClass: Sendable {
  let id: GUID
  private let registry: ClassRegistry
  private let found = Mutex<ServiceClass??>(nil)

  /// Nil for a query without a class.
  init?(_ id: GUID?, _ registry: ClassRegistry) {
    guard let id else { return nil }
    self.id = id
    self.registry = registry
  }

  /// What those say that keep whole classes (nsp.md §7.4, 1). May call out and wait, for as long as such a provider is given.
  var known: ServiceClass? {
    if let found = found.withLock({ $0 }) { return found }
    let answer = registry.schemaAnswer(for: id)
    found.withLock { $0 = .some(answer) }
    return answer
  }
}
