import CWinsock
import Providers
import QuerySets
import Rundown

/// The class that a query or a registration names, and what is known of it: found once, when the first provider wants to know.
final class QueryClass: Sendable {
  let id: GUID
  private let registry: ClassRegistry
  private let found = Locked<ServiceClass??>(nil)

  /// Nil for a query without a class.
  init?(_ id: GUID?, _ registry: ClassRegistry) {
    guard let id else { return nil }
    self.id = id
    self.registry = registry
  }

  /// What a provider that is about to be called is told: what those say that keep whole classes, else what it keeps itself (nsp.md §7.4).
  /// May call out and wait, for as long as a provider is given.
  func known(at provider: Provider) -> ServiceClass? { shared ?? registry.ownAnswer(of: provider, for: id) }

  /// The same, as the routines of a provider are told it: before the provider's turn, since whoever knows the class may need that too.
  func context(at provider: Provider) -> CallContext.NamedClass {
    CallContext.NamedClass(id: id, known: provider.takesClasses ? known(at: provider) : nil)
  }

  /// The same for everybody.
  private var shared: ServiceClass? {
    if let found = found.withLock({ $0 }) { return found }
    let answer = registry.schemaAnswer(for: id)
    found.withLock { $0 = .some(answer) }
    return answer
  }
}
