/// The process that a provider runs in, where that is not the host's.
public struct ProviderHosting: Sendable, Equatable {
  public enum State: String, Sendable {
    case starting
    case running
    /// It has died, and is started again in a moment.
    case restarting
    /// It has died too often: it waits until somebody enables or reloads it.
    case quarantined
    /// It has died, and is not started again: its host lives for one command.
    case dead
  }

  public var state: State
  public var processID: Int32?
  /// Who the process is, where the host did not start it.
  public var advertiser: String?
  /// How often it has died since the host began.
  public var deaths = 0
  /// What became of the last one.
  public var lastDeath: String?
  /// What is in force, and what this kernel lacks: a line each.
  public var confinement: [String] = []

  public init(_ state: State, processID: Int32? = nil, advertiser: String? = nil) {
    (self.state, self.processID, self.advertiser) = (state, processID, advertiser)
  }
}
