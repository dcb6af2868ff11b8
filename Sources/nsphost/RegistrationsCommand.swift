import ArgumentParser
import Foundation

struct RegistrationsCommand: WatchingCommand, RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "registrations",
    abstract: "Show what is registered: the name, its class and addresses, with whom, by whom, for how long.",
    discussion: """
      Providers that can list what they keep (directory, email) are asked. Of the others the host shows what running processes \
      have registered through it; what such a provider keeps besides is not known here, and the list says so.
      """)

  @OptionGroup var options: HostOptions

  @Argument(help: "Only those of this name.")
  var name: String?

  @Option(name: .long, help: ArgumentHelp("Only those of this user, by name or number.", valueName: "user"))
  var user: String?

  @Option(name: .long, help: ArgumentHelp("Only those at this provider, by its name or its id.", valueName: "provider"))
  var provider: ProviderReference?

  @Option(name: .long, help: ArgumentHelp("Show so many at most.", valueName: "number"))
  var limit = 1000

  @Option(name: .long, help: ArgumentHelp("Pass over so many first.", valueName: "number"))
  var skip = 0

  @Flag(name: .long, help: "Stay, and show every change. End with Ctrl-C.")
  var watch = false

  func validate() throws {
    guard (1...10_000).contains(limit) else { throw ValidationError("--limit is \(limit): write a number from 1 to 10000") }
    guard skip >= 0 else { throw ValidationError("--skip is \(skip): write a number from 0") }
  }

  func request() -> Control.Registrations {
    Control.Registrations(named: name, user: user, provider: provider, skip: skip, limit: limit)
  }

  func output(_ answer: Control.Registrations.Answer) -> CommandOutput {
    options.json ? CommandOutput(answer) : CommandOutput(answer.lines)
  }
}

extension Control.Registrations.Answer {
  fileprivate var lines: [String] {
    let rows = registrations.map { one in
      [
        one.name, one.context ?? "-", one.className ?? "-",
        one.registered ? one.addresses.isEmpty ? "-" : one.addresses.joined(separator: " ") : "deregistered",
        one.provider, one.ownerText, one.lastsText,
      ]
    }
    var lines = Output.table(["NAME", "CONTEXT", "CLASS", "ADDRESSES", "PROVIDER", "OWNER", "LASTS"], rows)
    lines.append("")
    for one in unknown { lines.append("\(one.provider): \(one.reason)") }
    if !unknown.isEmpty { lines.append("Of these, only what running processes have registered through this host is shown.") }
    if let next { lines.append("There are more: --skip \(next)") }
    return lines + [Output.count(rows.count, "registration", "registrations")]
  }
}

extension Control.Registrations.Answer.Body {
  fileprivate var ownerText: String {
    let name = user ?? String(uid)
    guard let pid else { return name }
    return "\(name) (\(command.map { "\($0) " } ?? "")\(pid))"
  }

  fileprivate var lastsText: String {
    switch lasts {
    case "for-good": "for good"
    case "expires":
      Output.age(.seconds(max(0, (expires.flatMap { try? Date($0, strategy: .iso8601) } ?? .now).timeIntervalSinceNow)))
        + (endsWithSession == true ? " or session" : "")
    default: lasts
    }
  }
}
