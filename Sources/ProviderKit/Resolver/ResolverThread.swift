import CLinux
import Glibc
import Rundown

/// The thread of a resolver: everything of c-ares happens on it, whatever the number of queries. Others leave it notes.
final class ResolverThread: Sendable {
  private let poll: Descriptor
  private let wake: Descriptor
  private let configuration: Resolver.Configuration
  private let notes = Locked<Notes>(Notes())

  private enum Note: Sendable {
    case ask(UInt64, Question)
    case cancel(UInt64)
  }

  struct Question: Sendable {
    let name: String
    let types: [Resolver.RecordType]
    let searches: Bool
    let owner: UInt32?
    let completion: @Sendable ([Result<Resolver.Reply, Resolver.Failure>]) -> Void
  }

  private struct Notes {
    var last: UInt64 = 0
    var waiting: [Note] = []
    var isStopped = false
  }

  private static let wakeNumber = UInt64.max

  init(_ configuration: Resolver.Configuration) throws(Resolver.ConfigurationFailure) {
    self.configuration = configuration
    guard let poll = Descriptor(nsp_poll_create()), let wake = Descriptor(nsp_eventfd()),
      nsp_poll_add(poll.number, wake.number, UInt32(NSP_READ), Self.wakeNumber) == 0
    else { throw Resolver.ConfigurationFailure(description: "there are no descriptors left") }
    self.poll = poll
    self.wake = wake
    // Made for its failure alone: what is wrong with the configuration is told to whom it belongs.
    _ = try Servers(ServerSettings(configuration), poll: self.poll.number, arrivals: Arrivals())
    guard OwnThread.start({ self.run() }) else { throw Resolver.ConfigurationFailure(description: "no thread could be started") }
  }

  // MARK: Any thread

  func ask(
    _ name: String, _ types: [Resolver.RecordType], searches: Bool, owner: UInt32?,
    _ completion: @escaping @Sendable ([Result<Resolver.Reply, Resolver.Failure>]) -> Void
  ) -> Resolver.Ticket {
    let question = Question(name: name, types: types, searches: searches, owner: owner, completion: completion)
    let number = notes.withLock { notes in
      notes.last += 1
      return notes.last
    }
    leave(.ask(number, question))
    return Resolver.Ticket(number: number)
  }

  func cancel(_ ticket: Resolver.Ticket) { leave(.cancel(ticket.number)) }

  /// What is asked by then is cancelled.
  func stop() {
    notes.withLock { $0.isStopped = true }
    nsp_eventfd_signal(wake.number)
  }

  private func leave(_ note: Note) {
    let wakes = notes.withLock { notes in
      notes.waiting.append(note)
      return notes.waiting.count == 1
    }
    if wakes { nsp_eventfd_signal(wake.number) }
  }

  // MARK: The thread

  private func run() {
    let desk = Desk(configuration, poll: poll.number)
    var ready = [nsp_ready](repeating: nsp_ready(), count: Int(NSP_MOST_EVENTS))
    while true {
      // Without questions there is nothing to wait for but notes.
      let count = nsp_poll_wait(poll.number, &ready, Int32(ready.count), desk.patience ?? -1)
      for event in ready.prefix(Int(max(0, count))) {
        if event.number == Self.wakeNumber { clearWake() } else { desk.process(Int32(truncatingIfNeeded: event.number)) }
      }
      desk.processTimeouts()
      let (waiting, isStopped) = notes.withLock { notes in
        defer { notes.waiting = [] }
        return (notes.waiting, notes.isStopped)
      }
      for note in waiting {
        switch note {
        case .ask(let number, let question): desk.accept(question, number)
        case .cancel(let number): desk.cancel(number)
        }
      }
      desk.handOut()
      if isStopped { return desk.cancelAll() }
    }
  }

  private func clearWake() {
    var count: UInt64 = 0
    _ = read(wake.number, &count, MemoryLayout<UInt64>.size)
  }
}
