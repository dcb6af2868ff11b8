import ArgumentParser
import Foundation
import Hosting

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run a script of sessions.",
    discussion: """
      One command a line:
        providers                    show the providers
        open CLIENT                  open a session for a client of this name
        lookup CLIENT NAME …         look a name up (options as for nsphost lookup)
        register CLIENT NAME …       register (options as for nsphost register)
        unregister CLIENT NAME …     take a registration back
        close CLIENT                 the client says goodbye
        kill CLIENT                  the client vanishes
        classes …                    as for nsphost classes; a file's path begins where the script is
        registrations                show what was registered
        calls                        show the calls of clients
        calls close VC               close one (options as for nsphost calls close)
        modules                      show what is bound to what
        disable, enable PROVIDER     detach a provider and unload it; load and attach it again
        reload, unload PROVIDER      replace a provider by its file as it is now; unload it
        stats                        show how every session began and ended
        expect TEXT                  fail unless the last command printed TEXT
        say TEXT                     print TEXT
      Text in double quotes is one word; a line that starts with # is a comment. A command that fails ends the script, unless \
      its line starts with a hyphen.
      """)

  @OptionGroup var options: HostOptions

  @Argument(help: "The script; - reads standard input.", completion: .file())
  var script: String

  func run() throws {
    // The process of the host reads the script, too.
    try options.performAlone(.rehearsal) { try perform(on: $0.host) }
  }

  private func perform(on host: ProviderHost) throws {
    let text: String
    do {
      let data = script == "-" ? FileHandle.standardInput.readDataToEndOfFile() : try Data(contentsOf: URL(filePath: script))
      text = String(decoding: data, as: UTF8.self)
    } catch {
      throw CommandFailure(
        what: script, why: "it can't be read", remedy: "give the path of a script")
    }
    let scenario = Scenario(options, host, in: URL(filePath: script == "-" ? "./-" : script).deletingLastPathComponent().path)
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      // What was done is to be seen, whatever a provider does next.
      fflush(nil)
      do throws(Scenario.Failure) { try scenario.perform(String(line)) } catch {
        throw CommandFailure(
          error: error.error, what: "\(script) line \(number + 1)", why: error.why, remedy: error.remedy)
      }
    }
  }
}
