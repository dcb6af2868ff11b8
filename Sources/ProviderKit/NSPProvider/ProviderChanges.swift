import CWinsock
import QuerySets

/// Tells the host that what this provider would answer has changed, without a registration through the host (`NSPHostChanged`). Any thread,
/// as long as the provider is served; before that, and after it, nobody is told.
public struct ProviderChanges: Sendable {
  private let id: GUID

  public init(_ settings: Settings) { id = settings.id }

  /// Everything may have changed. Also a promise to say every change from now on.
  public func sayEverything() { say(nil) }

  /// The promise, for a provider that is being made and follows what it serves: said a little later, on another thread, because nobody is
  /// called while it is being made.
  public func promise() { WorkQueue.run { sayEverything() } }

  /// What queries of this name find has changed.
  public func say(_ name: String) {
    // Text ends at a NUL; what has one in it is no name.
    say(Array(name.utf16) + [0])
  }

  private func say(_ name: [UInt16]?) {
    withUnsafePointer(to: id) { id in
      // A provider that is not served has nobody to tell.
      _ = name.map { NSPHostChanged(id, $0) } ?? NSPHostChanged(id, nil)
    }
  }
}
