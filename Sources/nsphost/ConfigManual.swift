import ArgumentParser
import HostDaemon
import Providers
import SettingsTable

/// Prints the manual page nsphost.toml(5), which is made from the tables of settings.
struct ConfigManualCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manual", abstract: "Print the manual page of nsphost.toml, for man.", shouldDisplay: false)

  @Option(name: .long, help: ArgumentHelp("The date that the page has.", valueName: "date"))
  var date: String

  func run() {
    for line in ConfigManual(date: date).lines { print(line) }
  }
}

private struct ConfigManual {
  let date: String

  var lines: [String] {
    head
      + section("SETTINGS OF THE HOST", "They stand in the file itself, those with a dot in a table.")
      + Configuration.table.settings.flatMap { entry($0, of: Configuration()) }
      + [".El"]
      + section(
        "SETTINGS OF PROVIDERS",
        "They stand in a table [providers.NAME], where NAME is a provider's name or its id, and go before its manifest.")
      + Manifest.table.settings.filter { $0.places.contains(.provider) }.flatMap { entry($0, of: Self.provider) }
      + [".El"]
      + section(
        "SETTINGS OF MANIFESTS",
        "A manifest is a file NAME.toml beside NAME.so in a plugin directory. It may have the settings above, and these, which only a provider's author can know."
      )
      + Manifest.table.settings.filter { $0.places.contains(.manifest) && !$0.places.contains(.provider) }
      .flatMap { entry($0, of: Self.provider) }
      + [".El"] + tail
  }

  private static let provider = Manifest(fileName: "provider.so")

  private var head: [String] {
    [
      #".\" Made from the tables of settings: nsphost config manual"#,
      ".Dd \(date)", ".Dt NSPHOST.TOML 5", ".Os",
      ".Sh NAME", ".Nm nsphost.toml", ".Nd configuration of the host of name space providers",
      ".Sh DESCRIPTION",
      "The host reads this file when it starts. It is written in TOML. Every key is optional. An unknown key or a value that is not allowed is an error:",
      "the host does not start, and names the file, the line, the value and the nearest key.",
      ".Ic nsphost config check", "says the same without starting, and", ".Ic nsphost config show",
      "prints each value that holds and where it comes from.",
    ]
  }

  private var tail: [String] {
    [
      ".Sh FILES", ".Bl -tag -width Ds", ".It Pa /etc/nsphost/nsphost.toml", "of a host that root starts",
      ".It Pa ~/.config/nsphost/nsphost.toml", "of a host that another user starts", ".El",
      ".Sh EXAMPLES", ".Bd -literal", "isolation = \"worker\"", "", "[limits]", "requests-per-user = 64", "",
      "[providers.dns.settings]", "servers = [\"192.0.2.53\"]", ".Ed",
      ".Sh SEE ALSO", ".Xr nsphost 1 ,", ".Xr nsp-provider 7 ,", ".Xr libnss_nsp 8",
    ]
  }

  private func section(_ name: String, _ text: String) -> [String] {
    [".Sh \(name)", Self.escaped(text), ".Bl -tag -width Ds"]
  }

  private func entry<Target>(_ setting: Setting<Target>, of standard: Target) -> [String] {
    let value = setting.standard(standard).map { " The default is \($0)." } ?? ""
    return [".It Cm \(setting.key)", Self.escaped("\(setting.help). Value: \(setting.kind).\(value)")]
  }

  /// A line that begins with a dot or an apostrophe would be a request.
  private static func escaped(_ text: String) -> String {
    let safe = text.replacing("\\", with: "\\e")
    return safe.first == "." || safe.first == "'" ? "\\&" + safe : safe
  }
}
