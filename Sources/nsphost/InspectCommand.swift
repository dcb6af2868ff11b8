import ArgumentParser
import Hosting
import Providers

struct InspectCommand: ListingCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show all that is known of a provider, or of a file.")

  @OptionGroup var options: HostOptions

  @Argument(help: "A provider's name, its id or the first digits of that, or the path of a file.")
  var subject: String

  private var isFile: Bool { subject.contains("/") || subject.hasSuffix(".so") }

  func run() throws {
    guard isFile else {
      if let running = try options.runningHost() { return try show(running) }
      return try list()
    }
    // A host knows more of its own files: it has loaded them. Others are looked at by whoever asks, because what a host may read is not for
    // everybody.
    let path = subject.fileExists ? subject.absolutePath : subject
    if let running = try options.runningHost() {
      do { return try output(try running.ask(Control.Inspection(subject: path))).show() } catch let failure as CommandFailure {
        guard failure.kind != .unreachable, subject.fileExists else { throw failure }
      }
    }
    guard subject.fileExists else { return try list() }
    let candidate = PluginScan(directories: [], hostExports: ProviderHost.exports).candidate(at: path)
    guard candidate.isReady, candidate.image?.livesInHost != true else {
      return try output(Control.Inspection.answer(of: candidate, isLoadable: false)).show()
    }
    // The dynamic linker has the last word on a file.
    try options.performAlone(choose: noneOf) { own in
      var candidate = candidate
      if let refusal = try own.tryLoading(path) { candidate.state = .refused(refusal) }
      try output(Control.Inspection.answer(of: candidate, isLoadable: true)).show()
    }
  }

  /// The file is loaded alone.
  private func noneOf(_ files: [Candidate]) -> [Candidate] { [] }

  func request() -> Control.Inspection { Control.Inspection(subject: subject) }

  func output(_ answer: Control.Inspection.Answer) -> CommandOutput {
    options.json ? CommandOutput(answer.document) : CommandOutput(answer.lines)
  }
}

extension Control.Inspection.Answer {
  fileprivate var lines: [String] {
    let provider = document.provider
    var lines = [provider.name] + facts.map(\.line)
    if !provider.routines.isEmpty { lines.append("    routines:") }
    for routine in provider.routines {
      let name = ProviderRoutine.allCases.first { $0.exportedName == routine.name }?.shortName ?? routine.name
      lines.append("        " + name + String(repeating: " ", count: max(22 - name.count, 1)) + routine.text)
    }
    return lines + figures.map(\.line)
  }
}

extension Control.Inspection.Answer.Fact {
  fileprivate var line: String { "    \(key): \(value)" }
}

extension Control.Inspection.Answer.Document.Body.Routine {
  fileprivate var text: String {
    switch RoutineEntry(rawValue: entry) {
    case .direct: "direct"
    case .version1: "by its version 1 routine"
    case .proxy: "in its own process"
    case .stub: "stub    WSAEOPNOTSUPP   \(Output.count(intercepted ?? 0, "call", "calls"))"
    case nil: entry
    }
  }
}
