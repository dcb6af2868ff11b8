/// What a provider in a process of its own may do and take there. Nil: as much as the machine gives.
public struct Confinement: Hashable, Sendable {
  /// Besides what the process has before the provider's file is loaded, in bytes.
  public var memory: Int?
  /// Of processor time, in all.
  public var processorSeconds: Int?
  /// Besides those that the process has open before.
  public var descriptors: Int?
  /// Children; 0: none, and no other program.
  public var processes: Int?
  /// The name of the user to go on as.
  public var user: String?
  /// The folders and files that can be read; nothing can be written then.
  public var readable: [String]?
  /// What can be connected to: `tcp:PORT`, `tcp:*`, `udp:*`, `unix:*`, `unix:/PATH`.
  public var reachable: [String]?

  public init() {}
}
