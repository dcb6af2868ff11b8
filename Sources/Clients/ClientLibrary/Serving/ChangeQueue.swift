#if !hasFeature(Embedded) && canImport(Wire)
  import Wire
#endif

/// What a provider has said has changed, and the host does not know yet. One message at a time is on its way; what is said meanwhile is
/// collected, and does not grow with its number.
struct ChangeQueue {
  struct Message: Equatable {
    var kind: ChangeKind
    var name: [UInt16] = []
  }

  private var names: [[UInt16]] = []
  private var all: ChangeKind?
  private var isOnItsWay = false
  private var hasPromised = false

  private static var mostNames: Int { 64 }
  private static var mostUnits: Int { 1024 }

  /// - Parameter name: Nil: everything.
  mutating func add(_ name: [UInt16]?) {
    guard let name else {
      (all, names, hasPromised) = (.everything, [], true)
      return
    }
    // What is behind everything goes with it.
    if all != nil || names.contains(name) { return }
    if names.count < Self.mostNames, name.count <= Self.mostUnits {
      names.append(name)
    } else {
      (all, names) = (.much, [])
    }
  }

  /// What is to be sent now; nil where there is nothing, or a message is on its way.
  mutating func next() -> Message? {
    if isOnItsWay { return nil }
    if let kind = all {
      (all, isOnItsWay) = (nil, true)
      return Message(kind: kind)
    }
    guard !names.isEmpty else { return nil }
    isOnItsWay = true
    return Message(kind: .name, name: names.removeFirst())
  }

  /// The host has taken the message that was on its way.
  mutating func taken() { isOnItsWay = false }

  /// There is another host, which finds everything as it is. A promise holds there, too.
  mutating func renew() { (names, all, isOnItsWay) = ([], hasPromised ? .everything : nil, false) }
}
