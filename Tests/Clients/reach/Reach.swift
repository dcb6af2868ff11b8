// Which host a program in Swift reaches, told by the address that it gives for a name: one line, the address, or how it failed.
import Glibc
import NSPClient
import QuerySets

@main struct Reach {
  static func main() async {
    do {
      let query = QuerySet(serviceInstanceName: CommandLine.arguments[1], nameSpace: .all)
      for try await record in NameService().lookup(query) {
        print(record.addresses.first?.remote.host.map { $0.map(String.init).joined(separator: ".") } ?? "no address")
        return
      }
    } catch { print(error) }
  }
}
