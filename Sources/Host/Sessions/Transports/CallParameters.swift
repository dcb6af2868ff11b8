import CWinsock
import CallManagement
import Glibc

/// The parameters of an incoming call say who calls (nspndis.h, `NSP_PEER_CREDENTIALS`).
enum CallParameters {
  private static let parametersOffset =
    MemoryLayout<CO_CALL_MANAGER_PARAMETERS>.offset(of: \.CallMgrSpecific)!
    + MemoryLayout<CO_SPECIFIC_PARAMETERS>.offset(of: \.Parameters)!

  /// Call parameters that carry an identity, for as long as `body` runs.
  static func with<Result>(_ identity: ClientIdentity, _ body: (PassedPointer) -> Result) -> Result {
    let size = parametersOffset + MemoryLayout<NSP_PEER_CREDENTIALS>.size
    return withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { memory in
      var manager = CO_CALL_MANAGER_PARAMETERS()
      let anyFlow = FLOWSPEC(
        TokenRate: QOS_NOT_SPECIFIED, TokenBucketSize: QOS_NOT_SPECIFIED, PeakBandwidth: QOS_NOT_SPECIFIED,
        Latency: QOS_NOT_SPECIFIED, DelayVariation: QOS_NOT_SPECIFIED, ServiceType: SERVICETYPE(SERVICETYPE_BESTEFFORT),
        MaxSduSize: QOS_NOT_SPECIFIED, MinimumPolicedSize: QOS_NOT_SPECIFIED)
      (manager.Transmit, manager.Receive) = (anyFlow, anyFlow)
      manager.CallMgrSpecific.ParamType = UInt32(CALLMGR_SPECIFIC_NSP_PEER)
      manager.CallMgrSpecific.Length = UInt32(MemoryLayout<NSP_PEER_CREDENTIALS>.size)
      memory.storeBytes(of: manager, as: CO_CALL_MANAGER_PARAMETERS.self)
      var peer = NSP_PEER_CREDENTIALS()
      peer.ProcessId = identity.processID
      peer.UserId = identity.userID
      peer.GroupId = identity.groupID
      peer.ProcessFd = -1
      peer.ProcessStart = identity.processStart
      peer.SessionNumber = identity.sessionNumber
      withUnsafeMutableBytes(of: &peer.Command) { $0.copyBytes(from: identity.command.utf8.prefix($0.count)) }
      memory.baseAddress!.advanced(by: parametersOffset).storeBytes(of: peer, as: NSP_PEER_CREDENTIALS.self)
      var parameters = CO_CALL_PARAMETERS(
        Flags: 0, CallMgrParameters: memory.baseAddress!.assumingMemoryBound(to: CO_CALL_MANAGER_PARAMETERS.self),
        MediaParameters: nil)
      return withUnsafeMutablePointer(to: &parameters) { body(PassedPointer($0)) }
    }
  }

  /// Nil for parameters that carry none. A transport vouches for the memory that its pointers name, and for nothing in it.
  static func identity(in parameters: PassedPointer) -> ClientIdentity? {
    guard let call = parameters.pointer?.assumingMemoryBound(to: CO_CALL_PARAMETERS.self),
      let manager = call.pointee.CallMgrParameters
    else { return nil }
    let specific = manager.pointee.CallMgrSpecific
    guard specific.ParamType == UInt32(CALLMGR_SPECIFIC_NSP_PEER),
      Int(specific.Length) >= MemoryLayout<NSP_PEER_CREDENTIALS>.size
    else { return nil }
    let peer = UnsafeRawPointer(manager).loadUnaligned(fromByteOffset: parametersOffset, as: NSP_PEER_CREDENTIALS.self)
    let command = withUnsafeBytes(of: peer.Command) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    guard peer.ProcessId >= 0 else { return nil }
    return ClientIdentity(
      processID: peer.ProcessId, userID: peer.UserId, groupID: peer.GroupId, command: command.printable,
      processStart: peer.ProcessStart, sessionNumber: peer.SessionNumber)
  }
}

extension String {
  /// Without what would change a terminal that shows it.
  fileprivate var printable: String {
    String(
      unicodeScalars.map { scalar in
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: "?"
        default: Character(scalar)
        }
      })
  }
}
