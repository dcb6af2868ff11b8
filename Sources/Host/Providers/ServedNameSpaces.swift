import QuerySets

/// The name spaces that one provider serves, and those under which it is enumerated (nsp.md §6.1, §8.8). It is one provider whatever their
/// number: one session for a client, one question in a query, one registration.
public struct ServedNameSpaces: Hashable, Sendable {
  /// The first, or only one; `all` for a provider that is asked whatever the name space.
  public let primary: NameSpace
  public let further: [NameSpace]
  /// Where it is enumerated, if that is said.
  public let listed: [NameSpace]?

  public init(_ primary: NameSpace, further: [NameSpace] = [], listed: [NameSpace]? = nil) {
    (self.primary, self.further, self.listed) = (primary, further, listed)
  }

  /// The first one is the primary. Nil for none, one that is there twice, and `all` or e-mail among others.
  public init?(_ served: [NameSpace], listed: [NameSpace]? = nil) {
    guard let first = served.first, Set(served).count == served.count else { return nil }
    guard served.count == 1 || !served.contains(.all) && !served.contains(.email) else { return nil }
    self.init(first, further: Array(served.dropFirst()), listed: listed)
  }

  /// Whether a query for a name space asks it.
  public func serve(_ requested: NameSpace) -> Bool {
    requested == .all || primary == .all || primary == requested || further.contains(requested)
  }

  /// Under which programs find it. None is enumerated under all name spaces, which is a request and no name space.
  public var enumerated: [NameSpace] { listed ?? (primary == .all ? [.dns] : [primary] + further) }

  /// What a record says of its name space.
  /// - Parameters:
  ///   - written: What the provider has written there.
  ///   - requested: What the query was for.
  public func stated(_ written: NameSpace, for requested: NameSpace) -> NameSpace {
    // One that serves all knows best where a record belongs, if it says so.
    if primary == .all { return written == .all ? requested : written }
    if requested != .all, serve(requested) { return requested }
    return further.contains(written) ? written : primary
  }
}
