import QuerySets
import Synchronization

/// Answers in the place of routines that a provider which is no C table does not have, and counts (nsp.md §5.2).
public final class MissingRoutines: Sendable {
  private final class Count: Sendable {
    let value = Atomic<Int>(0)
  }

  private let counts: [ProviderRoutine: Count]

  /// - Parameter present: The routines that the provider has.
  public init(besides present: Set<ProviderRoutine>) {
    counts = Dictionary(
      uniqueKeysWithValues: ProviderRoutine.allCases.filter { !present.contains($0) }.map { ($0, Count()) })
  }

  public func contains(_ routine: ProviderRoutine) -> Bool { counts[routine] != nil }

  public func interceptions(_ routine: ProviderRoutine) -> Int { counts[routine]?.value.load(ordering: .relaxed) ?? 0 }

  /// What the host answers in the provider's place; nil where the provider has the routine.
  public func answer(_ routine: ProviderRoutine) -> WinsockError? {
    guard let count = counts[routine] else { return nil }
    count.value.add(1, ordering: .relaxed)
    return .operationNotSupported
  }
}
