import Foundation
import Testing

/// A transport that never completes a close is given up and named, and holds up neither other commands nor the host's end.
@Suite(.timeLimit(.minutes(5))) struct StuckTransportTests {
  private struct Calls: Decodable {
    struct Call: Decodable { var vc: UInt64, owner: String, transport: String }
    var calls: [Call]
  }

  @Test("the close of a call that the transport does not complete is given up; the host ends, and says whom it has waited for")
  func close() async throws {
    let made = try WorkFolder()
    try await compile(
      [Built.package + "/Tests/Clients/endless.c"], ["-shared", "-fPIC", "-pthread"], to: made["endless.so"])
    try made.write("offer caller 0 \(getpid())\n", to: "script")
    let (folder, vc) = try await Host.serve(
      "", [Plugin(file: made["endless.so"])], variables: ["LOOPBACK_MCM_SCRIPT": made["script"]], options: ["--log", "info"]
    ) { host in
      let nsphost = host.nsphost
      let calls = try await nsphost.document(Calls.self, "calls").calls
      let vc = try #require(calls.first { $0.owner == "mcm" && $0.transport.hasPrefix("loopback") }, "\(calls)").vc
      let reason = "transport loopback-mcm has not completed the close of connection \(vc)"
      try await nsphost.expect(1, reason, after: 4000...20000, of: ["calls", "close", "\(vc)"])
      try await nsphost.expect(0, "loopback-mcm has not completed the close", after: 0...10000, of: ["calls"])
      try await nsphost.expect(0, "", after: 0...10000, of: ["providers"])
      try await nsphost.expect(1, "closing already", after: 0...10000, of: ["calls", "close", "\(vc)"])
      try await host.freshLog(from: 0).says(
        "transport loopback-mcm, connection \(vc), closing: its close is not completed after 5 s")
      try await host.ends(within: .seconds(25))
      return (host.folder, vc)
    }
    let log = folder.text(of: "serve.err")
    #expect(log.contains("stopping: waits for transport loopback-mcm, connection \(vc), closing"), "\(log)")
  }
}
