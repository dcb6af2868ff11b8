import GRDB
import NSPProvider
import QuerySets

/// Looks for containers: contexts below one, at the next level or at every, that have instances somewhere in them.
struct ContainerSearch: Search {
  private let audience: Audience
  private let context: ContextPath
  private let pattern: NamePattern
  private let isDeep: Bool
  private let isForAll: Bool
  /// Contexts up to this key have been looked at.
  private var last: String
  /// The path of the context that was looked at last, folded.
  private var lastPath: [String]
  private var hasFound = false
  private var isContextThere: Bool
  private(set) var isOver = false

  /// Contexts that a piece looks at, at most.
  private static let contexts = 64

  init(_ query: Query, _ audience: Audience) throws(WinsockError) {
    guard let context = ContextPath(query.restrictions.context) else { throw .invalidArgument }
    let name = query.name ?? ""
    guard name.utf8.count <= 2 * DirectoryLimits.nameBytes else { throw .serviceNotFound }
    (self.audience, self.context, isDeep) = (audience, context, query.flags.contains(.deep))
    pattern = NamePattern(name.isEmpty ? "*" : name)
    isForAll = name.isEmpty || name == "*"
    last = context.key
    lastPath = context.components.map(Spelling.folded)
    isContextThere = context.components.isEmpty
  }

  /// Where a context is, and has no containers, there is nothing of the kind; where it is not, there is nothing.
  var ending: WinsockError { hasFound ? .noMore : isForAll && isContextThere ? .noData : .serviceNotFound }

  mutating func next(_ database: Database, _ moment: Moment) throws -> [QuerySet] {
    if !isContextThere { isContextThere = try following(database, moment, from: context.key) != nil }
    var records: [QuerySet] = []
    for _ in 0..<Self.contexts {
      guard let found = try following(database, moment, after: last) else {
        isOver = true
        break
      }
      records += containers(on: found)
    }
    hasFound = hasFound || !records.isEmpty
    return records
  }

  /// The first context behind a key, or from it on, that somebody sees an instance in.
  private func following(
    _ database: Database, _ moment: Moment, after key: String? = nil, from first: String? = nil
  ) throws -> ContextPath? {
    let statement = try database.cachedStatement(
      sql: """
        SELECT written_context, context, \(Audience.columns) FROM instance WHERE context \(key == nil ? ">=" : ">") ? AND context <= ?
        ORDER BY context
        """)
    let rows = try Row.fetchCursor(statement, arguments: [key ?? first, context.end])
    while let row = try rows.next() {
      guard try audience.sees(row, moment) else { continue }
      // The search goes on behind its key: another one might lead back.
      guard let path = ContextPath(try row.value("written_context") as String), path.key == (try row.value("context") as String)
      else {
        throw DirectoryDatabase.damage("a context in it is damaged")
      }
      return path
    }
    return nil
  }

  /// Those on the way to a context that were not there on the way to the one before.
  private mutating func containers(on path: ContextPath) -> [QuerySet] {
    let folded = path.components.map(Spelling.folded)
    let known = zip(folded, lastPath).prefix { $0 == $1 }.count
    let depth = isDeep ? folded.count : min(folded.count, context.components.count + 1)
    // At one level, whatever else is below the container is passed over.
    last = isDeep ? path.key : path.ancestor(depth).end
    lastPath = folded
    guard known < depth else { return [] }
    return (known..<depth).filter { pattern.matches(folded[$0]) }.map { level in
      QuerySet(serviceInstanceName: path.components[level], context: path.ancestor(level).description)
    }
  }
}
