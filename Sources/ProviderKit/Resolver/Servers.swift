import CAres

/// The servers that one reading of the configuration names, and which of them is asked first. For the resolver's thread alone.
final class Servers {
  let search: [String]
  let ndots: Int
  private let settings: ServerSettings
  private let poll: Int32
  private let arrivals: Arrivals
  /// By rotation; made when they are needed.
  private var channels: [Channel?]
  /// Asked first until then, for the one before it has let its time pass.
  private var preferred: (rotation: Int, until: ContinuousClock.Instant)?

  /// How long a server that does not answer is asked last.
  private static let memory: Duration = .seconds(30)

  init(_ settings: ServerSettings, poll: Int32, arrivals: Arrivals) throws(Resolver.ConfigurationFailure) {
    (self.settings, self.poll, self.arrivals) = (settings, poll, arrivals)
    let channel = try Channel(settings, rotation: 0, poll: poll, arrivals: arrivals)
    let found = channel.search
    search = settings.search ?? found.domains
    ndots = settings.ndots ?? found.ndots
    channels = [channel] + [Channel?](repeating: nil, count: max(0, channel.serverCount - 1))
  }

  /// Where a question goes first.
  var first: Int {
    guard let preferred, preferred.until > .now else { return 0 }
    return preferred.rotation
  }

  /// Where it goes next; nil once every server has been asked, and the first one again, who may have been at fault but once.
  /// - Parameter failures: How many servers have answered that they can't tell.
  func next(after rotation: Int, failures: Int) -> Int? { failures <= channels.count ? (rotation + 1) % channels.count : nil }

  /// Nil where there is no memory for it.
  func channel(_ rotation: Int) -> Channel? {
    if channels[rotation] == nil {
      channels[rotation] = try? Channel(settings, rotation: rotation, poll: poll, arrivals: arrivals)
    }
    return channels[rotation]
  }

  /// The first server of a rotation has not answered, and another has.
  func hasWaited(for rotation: Int) {
    guard channels.count > 1, rotation == first else { return }
    preferred = ((rotation + 1) % channels.count, .now + Self.memory)
  }

  // MARK: The loop

  var asked: Int { channels.reduce(0) { $0 + ($1?.asked ?? 0) } }
  var patience: Int32? { channels.compactMap { $0?.patience }.min() }
  func process(_ socket: Int32) { channels.first { $0?.owns(socket) == true }??.process(socket) }
  func processTimeouts() { for channel in channels where channel?.asked ?? 0 > 0 { channel?.processTimeouts() } }
}
