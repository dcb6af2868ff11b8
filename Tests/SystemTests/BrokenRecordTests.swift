import Foundation
import Testing

/// Records that lead nowhere are refused with the reason, in the host's process as in a worker, and nobody dies of them.
@Suite(.timeLimit(.minutes(5))) struct BrokenRecordTests {
  private static let scripted = "f1f70001-1111-4222-8333-010203040506"
  private static let version1 = "51e5701f-0001-4000-8000-00000000001f"

  /// A name, what a client sees of it, and what the log says.
  private typealias Case = (name: String, answer: String, line: String?)

  private static let ofVersion2: [Case] = [
    refused("broken-offset", "its record is refused: lpszServiceInstanceName: nothing can be read at 0x70"),
    refused("broken-nowhere", "lpszComment: nothing can be read at 0x"),
    refused("broken-far", "lpszComment: nothing can be read at 0xdead00000000beee"),
    refused("broken-unterminated", "lpszQueryString: no terminating NUL"),
    refused("broken-misaligned", "lpszContext: not aligned"),
    refused("broken-version", "lpVersion: nothing can be read at 0x"),
    refused("broken-addresses", "lpcsaBuffer: nothing can be read at 0x"),
    refused("broken-count", "lpafpProtocols: NULL, or NULL with a count"),
    refused("broken-sockaddr", "lpSockaddr: nothing can be read at 0x"),
    refused("broken-blob", "pBlobData: nothing can be read at 0x"),
    refused("overrun", "lpszServiceInstanceName: no terminating NUL"),
    ("nonsense-log", "answer 0", "scripted-a.*NSPHostLog: lpszText: nothing can be read at 0x78"),
    ("nonsense-change", "answer 10022", "scripted-a.*NSPHostChanged: lpszName: nothing can be read at 0x78"),
    ("nonsense-pack", "answer 10022", "scripted-a.*NSPHostPackQuerySet: lpszComment: nothing can be read at 0x78"),
    ("edge", "edge", nil),
  ]

  private static let ofVersion1: [Case] = [
    ("broken-offset", "WSASYSCALLFAILURE", "version1.*its record is refused: lpszComment: nothing can be read at 0x78"),
    ("broken-overrun", "WSASYSCALLFAILURE", "version1.*lpszComment: no terminating NUL"),
    ("records-1", "record-0", nil),
  ]

  private static func refused(_ name: String, _ reason: String) -> Case {
    (name, "WSASYSCALLFAILURE", "scripted-a.*" + reason)
  }

  @Test("a record that leads nowhere is refused, with the field; neighbours lose nothing", arguments: Isolation.allCases)
  func records(_ isolation: Isolation) async throws {
    let mode = "isolation = \"\(isolation.rawValue)\"\n"
    let plugins = [
      Plugin(file: Built.samples + "/hello.so", manifest: "isolation = \"worker\"\n"), Plugin.fixture("scripted-a", mode),
      Plugin.fixture("version1", mode),
    ]
    try await Host.serve("", plugins, options: ["--log", "info"]) { host in
      try await host.isReady("hello", "scripted-a", "version1")
      let before = try await host.workers
      #expect(before.count == (isolation == .worker ? 3 : 1))
      try await host.withSteadyLoad(200) {
        for (provider, cases) in [(Self.scripted, Self.ofVersion2), (Self.version1, Self.ofVersion1)] {
          for one in cases {
            let log = host.freshLog
            let outcome = try await host.nsphost.run("lookup", one.name, "--provider", provider)
            #expect((outcome.output + outcome.errors).contains(one.answer), "\(one.name): \(outcome)")
            if let line = one.line { try await log.says(line) }
            let workers = try await host.workers
            #expect(kill(host.processID, 0) == 0 && workers == before, "\(one.name): a process has died")
          }
        }
      }
    }
  }
}
