/// An ordered list whose elements keep a place by which they are taken out again: adding and removing cost the same however
/// long the list is.
struct LinkedSlots<Element>: Sequence {
  fileprivate struct Node {
    var element: Element?
    var previous: Int
    var next: Int
  }

  private var nodes: [Node] = []
  private var first = -1
  private var last = -1
  /// The first of the free nodes, which are linked through `next`.
  private var free = -1
  private(set) var count = 0

  /// Adds at the end; answers the element's place.
  mutating func append(_ element: Element) -> Int {
    let node = Node(element: element, previous: last, next: -1)
    let place: Int
    if free >= 0 {
      place = free
      free = nodes[place].next
      nodes[place] = node
    } else {
      place = nodes.count
      nodes.append(node)
    }
    if last >= 0 { nodes[last].next = place } else { first = place }
    last = place
    count += 1
    return place
  }

  mutating func remove(at place: Int) {
    let (previous, next) = (nodes[place].previous, nodes[place].next)
    if previous >= 0 { nodes[previous].next = next } else { first = next }
    if next >= 0 { nodes[next].previous = previous } else { last = previous }
    nodes[place] = Node(element: nil, previous: -1, next: free)
    free = place
    count -= 1
  }

  /// The elements in the order in which they were added.
  struct Iterator: IteratorProtocol {
    fileprivate let nodes: [Node]
    fileprivate var place: Int

    mutating func next() -> Element? {
      guard place >= 0 else { return nil }
      defer { place = nodes[place].next }
      return nodes[place].element
    }
  }

  func makeIterator() -> Iterator { Iterator(nodes: nodes, place: first) }
}
