import CWinsock
import QuerySets
import Wire

extension NameService {
  /// Everything that a provider has for a query, and again whenever that has changed. The query must name its provider.
  ///
  /// The host says when something was registered through it, and passes on what providers say of their own data; a provider that does not
  /// promise to say every change (`NSPHostChanged` in nsphost.h) is asked again every second, too.
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
    private var notice: Records.Iterator.Notice?
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
      (open, notice) = (lookup, nil)
      var records: [QuerySet] = []
      do {
        do { notice = try await lookup.awaitChange() } catch let error as WinsockError where error == .operationNotSupported {
          // It can't tell.
        }
        while let record = try await lookup.nextOfOpen() { records.append(record) }
      } catch let error as WinsockError where [.serviceNotFound, .hostNotFound, .noData, .noMore].contains(error) {
        // Nothing, for now.
      }
      return records
    }

    /// Until there is reason to look again: at once the first time; when there was a change, which is true; else, where that need not be
    /// told, after a second.
    private func wait() async throws -> Bool {
      guard known != nil else { return false }
      guard let notice else {
        try await Task.sleep(for: Self.longestPause)
        return false
      }
      let change = notice.change
      // Ends the lookup, and with it the wait.
      let patience: Task<Bool, Never> = Task {
        if notice.isComplete { return false }
        do { try await Task.sleep(for: Self.longestPause) } catch { return false }
        change.cancel()
        return true
      }
      do {
        try await withTaskCancellationHandler {
          try await change.value
        } onCancel: {
          change.cancel()
        }
      } catch let error as WinsockError where error == .operationAborted {
        // The lookup has ended without it.
      } catch {
        patience.cancel()
        throw error
      }
      withExtendedLifetime(open) {}
      patience.cancel()
      let isOver = await patience.value
      try Task.checkCancellation()
      return !isOver
    }
  }
}
