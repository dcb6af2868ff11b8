import ArgumentParser
import CWinsock
import Foundation
import Lookups
import QuerySets
import Sessions

struct RegistrationsCommand: RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "registrations", abstract: "Show what was registered through the host, with whom, and by whom.",
    discussion: """
      A registration stays here until its name is deleted. One that "was left" has an owner that is gone: whether its provider \
      has kept it, the provider alone knows.
      """)

  @OptionGroup var options: HostOptions

  @Argument(help: "Only those of this name.")
  var name: String?

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    let registrations = host.engine.registrations.registrations.filter { name == nil || $0.name == name }
    let names = Dictionary(host.catalog.entries.map { ($0.id, $0.manifest.displayName) }, uniquingKeysWith: { first, _ in first })
    func provider(_ registration: RegistrationIndex.Registration) -> String {
      names[registration.provider] ?? registration.provider.description
    }
    func className(_ id: GUID) -> String { host.engine.classes.schema?.serviceClass(id)?.name ?? id.description }
    if options.json {
      return CommandOutput(
        Document(
          registrations: registrations.map { one in
            .init(
              name: one.name, classId: one.serviceClass?.description, className: one.serviceClass.map { className($0) },
              provider: provider(one), pid: one.owner.processID, command: one.owner.command, uid: one.owner.userID,
              ownerLives: one.isOwnerLive, registered: one.isRegistered, since: one.since.formatted(.iso8601))
          }))
    }
    let rows = registrations.map { one in
      [
        one.name, one.serviceClass.map { className($0) } ?? "-", provider(one), Self.state(one),
        "\(one.owner.command) \(one.owner.processID)" + (one.isOwnerLive ? "" : " (gone)"), Self.age(since: one.since),
      ]
    }
    return CommandOutput(
      Output.table(["NAME", "CLASS", "PROVIDER", "STATE", "OWNER", "SINCE"], rows)
        + ["", Output.count(rows.count, "registration", "registrations")])
  }

  /// What an owner that is gone has left is its provider's to keep or to drop.
  private static func state(_ one: RegistrationIndex.Registration) -> String {
    one.isOwnerLive ? one.isRegistered ? "registered" : "deregistered" : "was left"
  }

  private static func age(since date: Date) -> String { Output.age(.seconds(max(0, -date.timeIntervalSinceNow))) }

  private struct Document: Encodable {
    struct Body: Encodable {
      var name: String
      var classId: String?
      var className: String?
      var provider: String
      var pid: Int32
      var command: String
      var uid: UInt32
      var ownerLives: Bool
      var registered: Bool
      var since: String
    }
    let schema = "nsphost.registrations/1"
    let host = HostEnvelope()
    var registrations: [Body]
  }
}
