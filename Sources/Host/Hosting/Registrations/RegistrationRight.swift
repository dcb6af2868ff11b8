import Providers
import Sessions

/// For whom a name counts that a client registers with a provider (nsp.md §8.6).
enum RegistrationRight: Equatable {
  /// Root, the host's own user, or a rule permits it.
  case forEverybody
  /// No rule is about the name.
  case forItsUser
  /// There are no rules for a provider that does not keep owners apart.
  case asProviderDecides
  /// By this rule.
  case refused(String)

  init(_ name: String, by client: ClientIdentity, at manifest: Manifest) {
    if client.isOperator {
      self = .forEverybody
      return
    }
    let rules = manifest.registrars?.filter { $0.covers(name) } ?? []
    if rules.contains(where: { $0.registrars.admits(user: client.userID, group: client.groupID) }) {
      self = .forEverybody
    } else if let rule = rules.first {
      self = .refused("\(rule.place) gives \(name) to others")
    } else if manifest.keepsOwners {
      self = .forItsUser
    } else if manifest.registrars == nil {
      self = .asProviderDecides
    } else {
      self = .refused("no rule of providers.\(manifest.displayName).registrars permits \(name)")
    }
  }
}
