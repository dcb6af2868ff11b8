import Testing

@testable import ModuleRegistrar

/// Every row of nmr.md §11.2.
@Suite struct BindingStateTests {
  private typealias Event = BindingState.Event

  private func after(_ events: Event...) -> BindingState {
    var state = BindingState()
    for event in events { _ = state.handle(event) }
    return state
  }

  private func expect(_ state: BindingState, _ event: Event, _ effect: BindingState.Effect, _ phase: BindingState.Phase) {
    var state = state
    let got = state.handle(event)
    #expect(got == effect, "\(event) in \(state.phase)")
    #expect(state.phase == phase, "\(event)")
  }

  private var attaching: BindingState { after(.turnCame(isDeregistering: false), .attachRequested(isDeregistering: false)) }
  private var half: BindingState {
    var state = attaching
    _ = state.handle(.providerAnswered(isAttached: true))
    return state
  }
  private var attached: BindingState {
    var state = half
    _ = state.handle(.clientAnswered(isSuccess: true, isDeregistering: false))
    return state
  }
  private var detaching: BindingState {
    var state = attached
    _ = state.handle(.sideDeregisters)
    return state
  }

  @Test("rows 2 to 7: offering and attaching")
  func attach() {
    expect(BindingState(), .turnCame(isDeregistering: true), .discard(clientClaimedSuccess: false), .closed)
    expect(BindingState(), .turnCame(isDeregistering: false), .callClientAttach, .proposed)
    expect(BindingState(), .attachRequested(isDeregistering: false), .callProviderAttach, .attaching)
    expect(BindingState(), .attachRequested(isDeregistering: true), .answer(.noInterface), .proposed)
    expect(attaching, .providerAnswered(isAttached: true), .nothing, .half)
    expect(attaching, .providerAnswered(isAttached: false), .nothing, .proposed)
  }

  @Test("row 8: attaching twice")
  func attachTwice() {
    for state in [attaching, half, attached, detaching] {
      expect(state, .attachRequested(isDeregistering: false), .answer(.invalidDeviceState), state.phase)
    }
  }

  @Test("rows 9 to 12: what the client's answer makes of it")
  func answers() {
    expect(
      BindingState(), .clientAnswered(isSuccess: false, isDeregistering: false), .discard(clientClaimedSuccess: false), .closed)
    expect(BindingState(), .clientAnswered(isSuccess: true, isDeregistering: true), .discard(clientClaimedSuccess: true), .closed)
    expect(half, .clientAnswered(isSuccess: true, isDeregistering: false), .link, .attached)
    expect(half, .clientAnswered(isSuccess: true, isDeregistering: true), .detach(callsClient: true), .detaching([]))
    for isDeregistering in [true, false] {
      expect(
        half, .clientAnswered(isSuccess: false, isDeregistering: isDeregistering), .detach(callsClient: false),
        .detaching(.client))
    }
  }

  @Test("rows 13 to 19: every order in which the parts of a detach can be done leads to one cleanup")
  func detach() {
    expect(attached, .sideDeregisters, .detach(callsClient: true), .detaching([]))
    // Each side either answers at once, or completes at one of the moments that it can.
    let sequences: [[Event]] = [
      [.clientDetachReturned(isPending: false), .providerDetachReturned(isPending: false)],
      [.clientDetachReturned(isPending: true), .providerDetachReturned(isPending: false), .clientCompletes],
      [.clientDetachReturned(isPending: true), .clientCompletes, .providerDetachReturned(isPending: false)],
      [.clientCompletes, .clientDetachReturned(isPending: true), .providerDetachReturned(isPending: false)],
      [.clientDetachReturned(isPending: false), .providerDetachReturned(isPending: true), .providerCompletes],
      [.clientDetachReturned(isPending: false), .providerCompletes, .providerDetachReturned(isPending: true)],
      [.clientDetachReturned(isPending: true), .providerDetachReturned(isPending: true), .clientCompletes, .providerCompletes],
      [.clientDetachReturned(isPending: true), .providerDetachReturned(isPending: true), .providerCompletes, .clientCompletes],
      [.clientDetachReturned(isPending: true), .providerCompletes, .clientCompletes, .providerDetachReturned(isPending: true)],
    ]
    for sequence in sequences {
      var state = detaching
      for event in sequence.dropLast() {
        let effect = state.handle(event)
        #expect(effect == .nothing, "\(sequence)")
      }
      expect(state, sequence.last!, .cleanUp(callsClient: true), .cleanup)
    }
  }

  @Test("row 20: the other side joins; rows 21 and 22: cleanup closes; row 23: anything else is ignored")
  func rest() {
    expect(detaching, .sideDeregisters, .nothing, .detaching([]))
    var cleaning = detaching
    _ = cleaning.handle(.clientDetachReturned(isPending: false))
    _ = cleaning.handle(.providerDetachReturned(isPending: false))
    expect(cleaning, .cleanedUp, .close, .closed)
    for state in [BindingState(), attaching, half, attached, cleaning] {
      expect(state, .clientCompletes, .ignore, state.phase)
      expect(state, .providerCompletes, .ignore, state.phase)
    }
    var done = detaching
    _ = done.handle(.clientDetachReturned(isPending: false))
    expect(done, .clientCompletes, .ignore, .detaching(.client))
  }

  @Test("a client that broke the contract is not called for its cleanup")
  func brokenClient() {
    var state = half
    _ = state.handle(.clientAnswered(isSuccess: false, isDeregistering: false))
    expect(state, .providerDetachReturned(isPending: false), .cleanUp(callsClient: false), .cleanup)
  }
}
