import ArgumentParser
import QuerySets

/// The words of a command line: which command they name, and in which order the parser takes them.
struct CommandWords {
  /// The command and its subcommand.
  let command: [String]
  /// All of them: what may stand before the command stands behind it.
  let arranged: [String]
  let wantsJSON: Bool
  /// The first word that names no command, where a command must be named.
  let unknown: String?

  static var ofProcess: CommandWords { CommandWords(Array(CommandLine.arguments.dropFirst())) }

  init(_ words: [String]) {
    var (command, moved, rest) = ([String](), [String](), words[...])
    var type: any ParsableCommand.Type = NSPHost.self
    while let word = rest.first, !type.configuration.subcommands.isEmpty {
      if word == "-v" || word == "--verbose" {
        moved.append(word)
      } else if let next = type.configuration.subcommands.first(where: { $0._commandName == word }) {
        command.append(word)
        type = next
      } else {
        break
      }
      rest.removeFirst()
    }
    self.command = command
    unknown = command.isEmpty ? rest.first.flatMap { $0.hasPrefix("-") || $0 == "help" ? nil : $0 } : nil
    // Without a command there is nothing that it could be about.
    arranged = command + (command.isEmpty ? [] : moved) + rest
    wantsJSON = words.prefix { $0 != "--" }.contains("--json")
  }

  var name: String { command.joined(separator: " ") }

  /// The commands of the program.
  static var commands: [String] { NSPHost.configuration.subcommands.map { $0._commandName } }
}

/// What the parser says of a command line, as this program says such things.
struct UsageDefect: Equatable {
  let why: String
  /// Nil where the parser has no proposal.
  let remedy: String?

  /// - Parameter message: Of the parser: `The value 'x' is invalid for '--log <level>'. Please provide one of 'debug' and 'info'.`
  init(_ message: String) {
    var text = message.split(separator: "\n\n").first.map(String.init) ?? message
    var remedy: String?
    if let range = text.firstRange(of: ". Please provide one of ") {
      let list = text[range.upperBound...]
      let values =
        list.hasPrefix("the following:")
        ? list.split(separator: "\n").dropFirst().map { String($0.trimmingPrefix("  - ")) }
        : list.split(separator: "'", omittingEmptySubsequences: false).enumerated()
          .filter { $0.offset % 2 == 1 }.map { String($0.element) }
      remedy = "choose from \(values.joined(separator: ", "))"
      text = String(text[..<range.lowerBound])
    } else if let range = text.firstRange(of: ". Did you mean ") {
      remedy = "did you mean " + text[range.upperBound...]
      text = String(text[..<range.lowerBound])
    }
    while text.last == "." { text.removeLast() }
    self.remedy = remedy
    why = (text.prefix(1).lowercased() + text.dropFirst()).replacing("\n", with: " ")
  }
}

extension CommandFailure {
  /// A command line that the parser has refused, or an error that no command has foreseen; nil for what is no failure: a help that was asked
  /// for, or an exit status that was reported already.
  init?(_ error: any Error, _ words: CommandWords) {
    guard !(error is ExitCode), NSPHost.exitCode(for: error) != .success else { return nil }
    let isUsage = NSPHost.exitCode(for: error) == .validationFailure
    let defect = UsageDefect(NSPHost.message(for: error))
    let help = "nsphost \(words.command.isEmpty ? "" : words.name + " ")--help shows how it is used"
    self.init(
      kind: isUsage ? .usage : .failed, what: words.command.isEmpty ? "usage" : words.name, why: defect.why,
      remedy: defect.remedy ?? help)
    if isUsage, let unknown = words.unknown {
      let near = CommandWords.commands.min { Self.distance($0, unknown) < Self.distance($1, unknown) }
      (what, why) = (unknown, "there is no command of this name")
      let proposal = near.flatMap { Self.distance($0, unknown) <= 2 ? "did you mean \($0)?" : nil }
      remedy = proposal ?? "nsphost --help lists the commands"
    }
  }

  /// How many letters have to be added, taken away or replaced.
  private static func distance(_ left: String, _ right: String) -> Int {
    let right = Array(right)
    var row = Array(0...right.count)
    for (line, letter) in left.enumerated() {
      var next = [line + 1]
      for column in right.indices {
        next.append(min(next[column] + 1, row[column + 1] + 1, row[column] + (letter == right[column] ? 0 : 1)))
      }
      row = next
    }
    return row[right.count]
  }
}
