import Hosting
import Providers
import QuerySets
import Rundown
import Testing

@Suite struct HostLogTests {
  private final class Lines: Sendable {
    let lines = Locked<[LogEntry]>([])

    func of(_ id: QueryID) -> [String] {
      lines.withLock { $0 }.filter { $0.query == id }.map { "\($0.level) \($0.provider ?? "host"): \($0.text)" }
    }
  }

  @Test("one id goes through the query, the host's log, and what its provider says in the routine and on a thread of its own")
  func queryID() throws {
    let said = Lines()
    HostLog.open(.debug) { entry in said.lines.withLock { $0.append(entry) } }
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open("asker")
    let query = QuerySet(serviceInstanceName: "async-5", nameSpace: .dns)
    let lookup = try scripted.host.engine.begin(client, query, flags: .returnAll)
    _ = try lookup.next()
    lookup.end()
    let lines = said.of(lookup.id)
    #expect(lines.first?.hasPrefix("debug host: lookup of async-5, name space dns, for asker (pid ") == true)
    #expect(lines.contains("info scripted-a: in the routine"))
    #expect(lines.contains("warning scripted-a: on a thread of mine"), "one line, whatever is in it")
    #expect(lines.contains { $0.hasPrefix("debug host: scripted-a: asked, 1 records") })
    let other = try scripted.host.engine.begin(client, query, flags: .returnAll)
    #expect(other.id != lookup.id)
    other.end()

    HostLog.open(.error) { entry in said.lines.withLock { $0.append(entry) } }
    let quiet = try scripted.host.engine.begin(client, query, flags: .returnAll)
    _ = try quiet.next()
    quiet.end()
    #expect(said.of(quiet.id).isEmpty)
    scripted.finish()
  }

  @Test("ids are hexadecimal, of four digits at least, and never the same")
  func ids() {
    let ids = (0..<100).map { _ in QueryID.next() }
    #expect(
      Set(ids).count == 100 && ids.allSatisfy { $0.description.count >= 4 && UInt64($0.description, radix: 16) == $0.rawValue })
  }
}
