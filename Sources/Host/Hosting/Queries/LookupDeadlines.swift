import Providers
import QuerySets

/// The time that providers have for a call: minded by the Next that waits, so that a lookup needs no timers.
extension Lookup {
  /// Waits for the answer, and meanwhile minds the deadline of whichever provider is asked: nobody else does. End answers at once.
  func wait(_ ticket: NextTicket) -> Result<Void, WinsockError> {
    // Of whoever has the turn.
    let hasAnswer = patience.look { ticket.hasAnswer ? 1 : 0 } > 0
    if hasAnswer, let answer = ticket.wait() { return answer }
    while true {
      let expired: Deadline? = state.withLock { state in
        let now = MonotonicTime.now
        if let deadline = state.deadline, deadline.end > now {
          ticket.minds(deadline.end)
          return nil
        }
        // Before a provider has been called, at least as long as the next one may take.
        let leg = state.current < state.legs.count ? state.legs[state.current].provider : nil
        ticket.minds(now + (leg?.deadline ?? Provider.defaultDeadline))
        return state.deadline.take()
      }
      // What it comes to is done elsewhere: End, which may take its time, is not this client's to wait for.
      if let expired { HostThreads.run { [self] in timeOut(expired) } }
      if let answer = ticket.wait() { return answer }
    }
  }

  func scheduleDeadline(_ purpose: CallPurpose, _ provider: Provider, _ number: UInt64) {
    let deadline = Deadline(purpose: purpose, number: number, end: .now + provider.deadline)
    let waiting = state.withLock { state in
      state.deadline = deadline
      return state.waiting
    }
    waiting?.hurry(deadline.end)
  }

  private func timeOut(_ deadline: Deadline) {
    let purpose = deadline.purpose
    let abandoned = state.withLock { state -> (Opened?, Provider?)? in
      guard state.armed == deadline.number, let call = state.call, call.abandon(number: deadline.number) else { return nil }
      state.armed = nil
      // The provider still owns the abandoned call's memory; the next provider gets another.
      state.call = nil
      state.legs[purpose.leg].record.complete(at: .now)
      fail(&state, purpose.leg, .tryAgain, .down(.late))
      // Before it is taken out: the leg lets go of it then.
      let provider = state.legs[purpose.leg].provider
      return (takeOut(&state, purpose.leg), provider)
    }
    guard let (opened, provider) = abandoned else { return }
    provider?.ledger.record(.lateCall)
    // First the client, who has waited long enough; then End, which is how a provider learns of a cancelled call.
    HostThreads.run { [self] in goOn(purpose.flags, mayBlock: true) }
    if let opened { endAtProvider(opened) }
  }
}
