import Hosting
import Providers
import Rundown
import Sessions

extension Control {
  /// The network modules and what is bound to what.
  struct Modules: WatchedRequest {
    static let name = "modules"
    static let bells: [ChangeBell] = [.modules, .providers, .sessions]

    struct Answer: Codable, Sendable {
      struct Interface: Codable, Sendable {
        var name: String?
        var id: String
        var clients: [String]
        var providers: [Provider]
      }
      struct Provider: Codable, Sendable {
        var module: String
        var id: String?
        var file: String?
        var binding: String
        var ageUs: Int
        var calls: Int?
        var sessions: Int?
      }
      struct Kept: Codable, Sendable {
        var module: String
        var id: String?
        var file: String?
        var binding = "unbound"
        var mapped = true
        var cause: String
        var ageUs: Int
      }
      struct File: Codable, Sendable {
        var name: String?
        var file: String
        var state: String
      }
      var schema = "nsphost.modules/1"
      var host = HostEnvelope()
      var npis: [Interface]
      var kept: [Kept]
      /// Good ones that are not loaded.
      var files: [File]?

      init(_ host: ProviderHost) {
        let report = host.modules
        let files = host.listsOnly ? host.candidates.filter(\.isReady) : []
        if !files.isEmpty {
          self.files = files.map {
            File(
              name: $0.manifest?.displayName, file: $0.path,
              state: $0.image?.livesInHost == true ? Providers.registersModules : "provider")
          }
        }
        npis = report.interfaces.map { interface in
          Interface(
            name: interface.name, id: interface.id.description, clients: interface.clients,
            providers: interface.providers.map { provider in
              Provider(
                module: provider.name, id: provider.moduleID?.description, file: provider.path,
                binding: provider.state.rawValue, ageUs: Int(provider.age.microseconds), calls: provider.calls,
                sessions: provider.sessions)
            })
        }
        kept = report.kept.map {
          Kept(
            module: $0.name, id: $0.moduleID?.description, file: $0.path, cause: $0.cause, ageUs: Int($0.age.microseconds))
        }
      }
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) -> Answer { Answer(host) }

    static func essence(of answer: Answer) -> Answer {
      var answer = answer
      for index in answer.kept.indices { answer.kept[index].ageUs = 0 }
      for interface in answer.npis.indices {
        for index in answer.npis[interface].providers.indices { answer.npis[interface].providers[index].ageUs = 0 }
      }
      return answer
    }
  }
}
