import CWinsock
import QuerySets
import Wire

extension NameService {
  /// Everything that a provider has for a query, and again whenever that has changed. The query must name its provider.
  ///
  /// The host says when something was registered through it, a version 1 provider when its own data changed; a provider that can't
  /// tell is asked every second.
  public func changes(of query: QuerySet, flags: LookupFlags = [.returnName, .returnAddress]) -> Changes {
    Changes(service: self, query: query, flags: flags)
  }
}

/// The records of one query, whenever they have changed. The first element is what there is.
public struct Changes: AsyncSequence, Sendable {
  public typealias Element = [QuerySet]

  let service: NameService
  let query: QuerySet
  let flags: LookupFlags

  public func makeAsyncIterator() -> Iterator { Iterator(changes: self) }

  /// Ends what it has open when it is let go of.
  public struct Iterator: AsyncIteratorProtocol {
    private let changes: Changes
    private var known: [QuerySet]?
    private var open: Records.Iterator?

    fileprivate init(changes: Changes) { self.changes = changes }

    /// Throws what the lookup fails with; that nothing is found is no failure. `networkDown` when the host went away.
    public mutating func next() async throws -> [QuerySet]? {
      while true {
        if let open { try await Self.wait(open) }
        let (records, open) = try await read()
        self.open = open
        guard records != known else { continue }
        known = records
        return records
      }
    }

    private func read() async throws -> ([QuerySet], Records.Iterator?) {
      let lookup = Records(service: changes.service, query: changes.query, flags: changes.flags).makeAsyncIterator()
      var records: [QuerySet] = []
      do {
        while let record = try await lookup.nextOfOpen() { records.append(record) }
      } catch let error as WinsockError
        where [.serviceNotFound, .hostNotFound, .noData, .noMore].contains(error)
      {
        // Nothing, for now.
      }
      return (records, lookup)
    }

    private static func wait(_ lookup: Records.Iterator) async throws {
      do { try await lookup.change() } catch let error as WinsockError {
        switch error {
        case .operationNotSupported, .invalidHandle: try await Task.sleep(for: .seconds(1))
        case .operationAborted: break
        default: throw error
        }
      }
      try Task.checkCancellation()
    }
  }
}
