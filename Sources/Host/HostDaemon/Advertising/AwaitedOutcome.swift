import CWinsock
import Glibc
import QuerySets
import Rundown
import Wire

/// What became of a call at a provider in another process, on its way to whoever waits for it: it may come before it is asked for, where it
/// was fetched ahead, and while the provider still owes it.
final class AwaitedOutcome: Sendable {
  /// A code, and with success a record as it came.
  struct Outcome: Sendable {
    var status: WinsockError
    var demanded: UInt32 = 0
    var record: [UInt8] = []
  }

  /// Where the outcome goes: the engine's handle of the call, and its memory, which stays until that is completed.
  struct Target: @unchecked Sendable {
    // Unchecked: the memory is this call's alone.
    var asyncCall: UnsafeMutableRawPointer?
    /// Nil for a call that has no record.
    var length: UnsafeMutablePointer<UInt32>?
    var block: UnsafeMutablePointer<WSAQUERYSET2W>?
  }

  private struct State {
    var target: Target?
    var outcome: Outcome?
    /// The record had no room where it was delivered: it is for the next call.
    var isKept = false
    var isTaken = false
  }

  private let state = Locked<State>(State())

  init(_ outcome: Outcome? = nil) { state.withLock { $0.outcome = outcome } }

  /// Whether somebody waits for it.
  var isTaken: Bool { state.withLock { $0.isTaken } }
  func take() { state.withLock { $0.isTaken = true } }

  /// Whether it is for another call than the one that it was delivered to.
  var isKept: Bool { state.withLock { $0.isKept } }

  /// Completes the call at once where its outcome is there, else as soon as it comes.
  func deliver(to target: Target) {
    let outcome = state.withLock { state in
      state.target = target
      return state.outcome
    }
    if let outcome { complete(target, outcome) }
  }

  /// The outcome has come; what comes after the first counts for nothing.
  func arrived(_ outcome: Outcome) {
    let target: Target? = state.withLock { state in
      guard state.outcome == nil else { return nil }
      state.outcome = outcome
      return state.target
    }
    if let target { complete(target, outcome) }
  }

  private func complete(_ target: Target, _ outcome: Outcome) {
    guard outcome.status == .success, let block = target.block, let length = target.length else {
      if outcome.status == .fault { target.length?.pointee = outcome.demanded }
      _ = WSAProviderCompleteAsyncCall(target.asyncCall, outcome.status.rawValue)
      return
    }
    let bytes = UnsafeMutableRawBufferPointer(start: UnsafeMutableRawPointer(block), count: Int(length.pointee))
    let hasRoom = outcome.record.count <= bytes.count
    state.withLock { $0.isKept = !hasRoom }
    guard hasRoom else {
      length.pointee = UInt32(outcome.record.count)
      _ = WSAProviderCompleteAsyncCall(target.asyncCall, WSAEFAULT)
      return
    }
    outcome.record.withUnsafeBytes { bytes.copyMemory(from: $0) }
    let record = UnsafeMutableRawBufferPointer(rebasing: bytes[..<outcome.record.count])
    guard SelfRelative.resolve(record) else {
      _ = WSAProviderCompleteAsyncCall(target.asyncCall, WSASYSCALLFAILURE)
      return
    }
    let set = UnsafeRawPointer(block).load(as: WSAQUERYSETW.self)
    block.pointee = WSAQUERYSET2W(set)
    // It has been delivered.
    state.withLock { $0.outcome?.record = [] }
    _ = WSAProviderCompleteAsyncCall(target.asyncCall, 0)
  }
}

extension AwaitedOutcome.Outcome {
  /// Reads an outcome that the wire carries; nil for what is none.
  init?(_ fields: inout FieldReader) {
    guard let outcome = OutcomeFields(&fields), outcome.size <= WireVersion.defaultMaximumFrame,
      let record = fields.bytes(Int(outcome.size)), fields.align()
    else { return nil }
    self.init(
      status: WinsockError(rawValue: Int32(bitPattern: outcome.status)), demanded: outcome.demanded, record: Array(record))
  }
}
