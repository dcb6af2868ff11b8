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
    /// Asked for before the records were read, so that it tells of what changes meanwhile.
    private var change: Task<Void, any Error>?
    private var pause = Self.shortestPause

    private static let shortestPause: Duration = .milliseconds(50)
    private static let longestPause: Duration = .seconds(1)

    fileprivate init(changes: Changes) { self.changes = changes }

    /// Throws what the lookup fails with; that nothing is found is no failure. `tryAgain` while the provider is down, `networkDown` when
    /// the host went away.
    public mutating func next() async throws -> [QuerySet]? {
      while true {
        let wasTold = try await wait()
        let records = try await read()
        guard records == known else {
          (known, pause) = (records, Self.shortestPause)
          return records
        }
        guard wasTold else { continue }
        // A provider that tells of changes that are none is asked less and less often.
        try await Task.sleep(for: pause)
        pause = Swift.min(pause * 2, Self.longestPause)
      }
    }

    private mutating func read() async throws -> [QuerySet] {
      let lookup = Records(service: changes.service, query: changes.query, flags: changes.flags).makeAsyncIterator()
      (open, change) = (lookup, nil)
      var records: [QuerySet] = []
      do {
        do { change = try await lookup.awaitChange() } catch let error as WinsockError where error == .operationNotSupported {
          // It can't tell.
        }
        while let record = try await lookup.nextOfOpen() { records.append(record) }
      } catch let error as WinsockError where [.serviceNotFound, .hostNotFound, .noData, .noMore].contains(error) {
        // Nothing, for now.
      }
      return records
    }

    /// Until there is reason to look again: at once the first time; when the provider has told, which is true; else after a second.
    private func wait() async throws -> Bool {
      guard known != nil else { return false }
      guard let change else {
        try await Task.sleep(for: Self.longestPause)
        return false
      }
      do {
        try await withTaskCancellationHandler {
          try await change.value
        } onCancel: {
          change.cancel()
        }
      } catch let error as WinsockError where error == .operationAborted {
        // The lookup has ended without it.
      }
      withExtendedLifetime(open) {}
      try Task.checkCancellation()
      return true
    }
  }
}
