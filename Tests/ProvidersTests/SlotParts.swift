import Providers

/// Stands for what a slot holds: a name is all that it has.
final class SlotPart: ProviderFile, ProviderStart, ProviderOffer, CustomStringConvertible {
  let description: String
  let hasProcess: Bool

  init(_ name: String, hasProcess: Bool = false) { (description, self.hasProcess) = (name, hasProcess) }
}

extension SlotEffect<SlotPart> {
  var text: String {
    switch self {
    case .turnAway(let part): "turn away \(part)"
    case .markReplaced(let part): "replaced \(part)"
    case .keepBooks(let part): "books \(part)"
    case .retire(let part): "retire \(part)"
    case .refuse(let part): "refuse \(part)"
    case .register(let part): "register \(part)"
    case .renew(let part): "renew \(part)"
    case .deregister(let part): "deregister \(part)"
    case .abandon(let part): "abandon \(part)"
    case .unload(let part): "unload \(part)"
    }
  }
}
