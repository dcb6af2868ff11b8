import CWinsock
import QuerySets

/// A provider that was installed by its id (`WSCInstallNameSpaceEx`, nsp.md §8.8), as opposed to one that a plugin directory has.
public struct Installation: Sendable, Hashable {
  public var id: GUID
  public var identifier: String
  /// As it was given: parts such as `%NAME%` stand for variables of the host's environment. Empty: it can only be advertised.
  public var path: String
  public var nameSpace: NameSpace
  public var version: UInt32
  /// What `lpProviderSpecific` led to; nil where it was NULL.
  public var blob: [UInt8]?

  /// Throws `WSAEINVAL` for what can't be installed: every name space at once, or an e-mail provider's blob that can't be read.
  public init(id: GUID, identifier: String, path: String, nameSpace: NameSpace, version: UInt32, blob: [UInt8]?)
    throws(WinsockError)
  {
    let isPath = path.isEmpty || path.hasPrefix("/") || path.hasPrefix("%") && path.count(where: { $0 == "%" }) % 2 == 0
    guard nameSpace != .all, isPath, blob?.count ?? 0 <= Self.maximumBlob else { throw .invalidArgument }
    (self.id, self.identifier, self.path) = (id, identifier, path)
    (self.nameSpace, self.version, self.blob) = (nameSpace, version, blob)
    if nameSpace == .email, let blob { _ = try Self.parse(blob) }
  }

  /// What an installation may carry, in bytes.
  private static let maximumBlob = 64 * 1024

  private static func parse(_ blob: [UInt8]) throws(WinsockError) -> InstallationBlob {
    do throws(QuerySetError) { return try InstallationBlob(parsing: blob) } catch { throw .invalidArgument }
  }

  /// What the catalog shows of it, over what its file says of itself.
  public func manifest(over file: Manifest? = nil) -> Manifest {
    var manifest = file ?? Manifest(id: id, displayName: identifier, nameSpace: nameSpace)
    (manifest.id, manifest.displayName) = (id, identifier)
    (manifest.nameSpace, manifest.version, manifest.source) = (nameSpace, version, .installation)
    if nameSpace == .email, let blob, let parsed = try? Self.parse(blob) {
      manifest.domains = parsed.domains
      manifest.servesAnyDomain = parsed.supportsWildcard
    }
    return manifest
  }

  /// Where its file is, for a host with this environment.
  public func file(in environment: [String: String]) throws(Refusal) -> String {
    var parts = path.split(separator: "%", omittingEmptySubsequences: false).map(String.init)
    guard parts.count % 2 == 1 else { return path }
    for index in stride(from: 1, to: parts.count, by: 2) {
      guard let value = environment[parts[index]] else {
        throw Refusal(
          path: path, reason: .unreadable, detail: "\(parts[index]) is not set in the host's environment",
          remedy: "set it where the host is started")
      }
      parts[index] = value
    }
    let file = parts.joined()
    guard file.hasPrefix("/") else {
      throw Refusal(path: path, reason: .unreadable, detail: "\(file) is not an absolute path", remedy: "install it by its path")
    }
    return file
  }
}
