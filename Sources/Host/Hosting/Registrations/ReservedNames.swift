import CWinsock
import Glibc
import Providers
import QuerySets
import Sessions

// Names that root and the host's own user alone may register (nsp.md §8.6): a registration under one of them would speak for the machine.

/// Those that the machine has whatever its files say.
enum MachineNames {
  /// What a name stands for; nil for any other one. Asks nobody.
  static func meaning(of name: String) -> String? {
    let name = name.withoutTrailingDots.lowercased()
    let isLoopback = name == "localhost" || name.hasSuffix(".localhost") || name == "localhost.localdomain"
    if isLoopback { return "it stands for this machine (RFC 6761)" }
    let own = hostName.lowercased()
    let isOwn = !name.isEmpty && (name == own || name == own.prefix { $0 != "." })
    return isOwn ? "it is the name of this machine" : nil
  }

  /// As it is now: it may change while the host runs.
  private static var hostName: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard gethostname(buffer.baseAddress!, buffer.count - 1) == 0 else { return "" }
      buffer[buffer.count - 1] = 0
      return String(cString: buffer.baseAddress!).withoutTrailingDots
    }
  }
}

extension LookupEngine {
  /// Why a client may not register a name with anybody; nil: it may. Calls out to the providers that reserve what they serve, which read files.
  /// Throws `tryAgain` where one of them can't say.
  func reservation(of registration: QuerySet, for client: ClientSession) throws(WinsockError) -> String? {
    guard !client.identity.isOperator, registration.nameSpace != .email, let name = registration.serviceInstanceName else {
      return nil
    }
    if let meaning = MachineNames.meaning(of: name) { return "\(name) is reserved: \(meaning)" }
    for entry in catalog.entries where entry.manifest.reservesNames && entry.isActive {
      // One whose file could not be loaded serves nothing.
      guard entry.provider != nil || entry.awaitedProcess != nil else { continue }
      if try serves(entry.id, name, for: client) { return "\(name) is reserved: \(entry.manifest.displayName) serves it" }
    }
    return nil
  }

  private func serves(_ provider: GUID, _ name: String, for client: ClientSession) throws(WinsockError) -> Bool {
    let query = QuerySet(serviceInstanceName: name, nameSpace: .all, providerID: provider)
    let ending: WinsockError
    do throws(WinsockError) {
      // Whether the user may ask that provider is another matter.
      let lookup = try begin(client, query, flags: .returnName, isForHost: true)
      defer { lookup.end() }
      do throws(LookupError) {
        _ = try lookup.next()
        return true
      } catch { ending = error.winsockError }
    } catch { ending = error }
    return switch Finding(ending) {
    case .found, .noData: true
    case .notFound, .rejected, .absent: false
    case .down, .failed: throw .tryAgain
    }
  }
}

extension String {
  var withoutTrailingDots: String {
    var text = self
    while text.last == "." { text.removeLast() }
    return text
  }
}
