import NSPProvider
import QuerySets
import Rundown

/// The modules of the settings, asked one after the other until one has an answer: what glibc does where its configuration
/// says nothing of actions.
final class ModuleChain: Sendable {
  private let names: [String]
  private let folder: String?
  /// Nil until somebody asks.
  private let loaded = Locked<[Module]?>(nil)

  init(_ names: [String], folder: String?) { (self.names, self.folder) = (names, folder) }

  /// The answer of the first module that has one. Calls code of theirs, which may take any time.
  /// - Parameter staysHere: What is asked must not leave the machine: modules that send it to servers are passed over.
  func first<Found>(staysHere: Bool = false, _ ask: (Module) throws(Shortfall) -> Found) throws(WinsockError) -> Found {
    let all = modules()
    guard !all.isEmpty else { throw .providerFailedInit }
    let modules = staysHere ? all.filter { !Self.senders.contains($0.name) } : all
    var shortfall = Shortfall.lacking
    for module in modules {
      do throws(Shortfall) {
        return try ask(module)
      } catch {
        HostLog.say(error.logLevel, "\(Module.file(of: module.name)) \(error)")
        shortfall = error.orWorthier(shortfall)
      }
    }
    throw shortfall.winsockError
  }

  /// Modules that send every name that they are asked for to servers or to the network. `resolve` is none: its service keeps special names.
  private static let senders: Set = [
    "dns", "mdns", "mdns4", "mdns6", "mdns_minimal", "mdns4_minimal", "mdns6_minimal", "wins", "ldap", "nis", "nisplus", "hesiod",
  ]

  /// Those that can be loaded, which is tried once: with the first question, since their constructors may take any time.
  private func modules() -> [Module] {
    if let modules = loaded.withLock({ $0 }) { return modules }
    ModuleFunctions.prepare()
    // Not under the lock, because it runs their code. Whoever asks at the same time is given the same files by the dynamic linker.
    var modules: [Module] = []
    var complaints: [(HostLog.Level, String)] = []
    for name in names {
      do throws(ModuleFunctions.LoadError) {
        let module = try Module(name, folder: folder)
        if !module.isOfUse { complaints.append((.info, "\(Module.file(of: name)) has nothing for hosts or services")) }
        modules.append(module)
      } catch {
        complaints.append(
          (.error, "\(Module.file(of: name)) can't be loaded: \(error.reason): mend that, or take it from modules"))
      }
    }
    let isFirst = loaded.withLock { loaded in
      guard loaded == nil else { return false }
      loaded = modules
      return true
    }
    if isFirst { for (level, complaint) in complaints { HostLog.say(level, complaint) } }
    if isFirst, modules.isEmpty { Condition.fails("none of its modules can be loaded: \(names.joined(separator: ", "))") }
    return modules
  }
}

extension Shortfall {
  fileprivate var logLevel: HostLog.Level {
    switch self {
    case .rubbish, .tooLarge: .warning
    default: .debug
    }
  }
}
