/// Whose turn it is: users take turns, the processes of one user take turns in those, and what one process has waits in order. However much
/// one of them asks for, the next of another is at most one turn of each away.
struct FairQueue<Element> {
  struct Share: Hashable {
    var user: UInt32
    var process: Int32
  }

  private struct Ring<Key: Hashable, Content> {
    private var contents: [Key: Content] = [:]
    private var order = FIFO<Key>()

    var isEmpty: Bool { contents.isEmpty }
    var keys: Dictionary<Key, Content>.Keys { contents.keys }

    /// Those that are new stand behind the others.
    mutating func update(_ key: Key, _ new: @autoclosure () -> Content, _ change: (inout Content) -> Void) {
      if contents[key] == nil { order.append(key) }
      change(&contents[key, default: new()])
    }

    /// Gives the turn to the first one that may have it; it goes to the back, or leaves when it has nothing more.
    mutating func turn<Result>(
      of mayTake: (Key) -> Bool = { _ in true }, _ take: (inout Content) -> (Result, isEmpty: Bool)?
    ) -> Result? {
      // Those before it go to the back in their order: so many turns, and all of them stand where they stood.
      var passed = 0
      while passed < contents.count, let key = order.first, !mayTake(key) {
        _ = order.popFirst()
        order.append(key)
        passed += 1
      }
      guard passed < contents.count, let key = order.popFirst(), var content = contents[key] else { return nil }
      // The content is taken out, so that changing it copies nothing.
      contents[key] = nil
      guard let (result, isEmpty) = take(&content) else { return nil }
      if !isEmpty {
        contents[key] = content
        order.append(key)
      }
      return result
    }
  }

  private struct FIFO<Item> {
    private var items: [Item?] = []
    private var start = 0

    var isEmpty: Bool { start == items.count }
    var first: Item? { isEmpty ? nil : items[start] }

    mutating func append(_ item: Item) { items.append(item) }

    mutating func popFirst() -> Item? {
      guard start < items.count else { return nil }
      defer {
        items[start] = nil
        start += 1
        if start == items.count {
          items.removeAll(keepingCapacity: start < 64)
          start = 0
        } else if start >= 64, start * 2 >= items.count {
          items.removeFirst(start)
          start = 0
        }
      }
      return items[start]
    }
  }

  private typealias Processes = Ring<Int32, FIFO<Element>>
  private var users = Ring<UInt32, Processes>()

  var isEmpty: Bool { users.isEmpty }

  mutating func append(_ element: Element, of share: Share) {
    users.update(share.user, Processes()) { processes in
      processes.update(share.process, FIFO()) { $0.append(element) }
    }
  }

  /// Whether somebody waits who may have the turn.
  func hasTurn(of mayHave: (UInt32) -> Bool) -> Bool { users.keys.contains(where: mayHave) }

  /// Nil when nobody waits.
  /// - Parameter mayHave: Whether a user may have the turn now.
  mutating func popFirst(of mayHave: (UInt32) -> Bool = { _ in true }) -> Element? {
    users.turn(of: mayHave) { processes in
      let element: Element? = processes.turn { waiting in
        guard let element = waiting.popFirst() else { return nil }
        return (element, waiting.isEmpty)
      }
      return element.map { ($0, processes.isEmpty) }
    }
  }
}
