import BoundedTOML
import QuerySets
import SettingsTable
import TOMLKit

/// What a worker is to do. The host writes it and the worker reads it, by the same tables: one message on the worker's leash, how many bytes it has
/// and then a document. Not on the command line, which everybody can read: there may be passwords among the provider's settings.
public struct WorkerOrder: Sendable {
  public var file: String
  /// Of the host.
  public var socket: String
  public var staysMapped = false
  /// The provider asks for the classes of queries.
  public var takesClasses = false
  /// How many bytes of static thread-local storage the process keeps for the file.
  public var staticTLS = 0
  /// Of the provider; what stands in `Manifest.table` for workers counts.
  public var manifest: Manifest

  public init(file: String, socket: String, manifest: Manifest) {
    (self.file, self.socket, self.manifest) = (file, socket, manifest)
  }

  private static let table = SettingsTable<WorkerOrder>(besides: ["provider"]) {
    Setting("file", .anyText, \.file, in: .worker, help: "the provider's file")
    Setting("socket", .anyText, \.socket, in: .worker, help: "the socket of the host")
    Setting("stays-mapped", .truth, \.staysMapped, in: .worker, help: "whether the file stays mapped for good")
    Setting("takes-classes", .truth, \.takesClasses, in: .worker, help: "whether the provider asks for the classes of queries")
    Setting(
      "static-tls", .number(0...(1 << 30)), \.staticTLS, in: .worker,
      help: "the static thread-local storage of the file, in bytes")
  }

  public var message: [UInt8] {
    let document = Self.table.document(of: self, as: .worker)
    document["provider"] = Manifest.table.document(of: manifest, as: .worker)
    let text = Array(document.convert(to: .toml, options: []).utf8)
    return withUnsafeBytes(of: UInt32(text.count)) { Array($0) } + text
  }

  /// - Parameter body: The message behind its number.
  public init(body: [UInt8]) throws(Problems) {
    self.init(file: "", socket: "", manifest: Manifest(fileName: ""))
    let (text, name) = (String(decoding: body, as: UTF8.self), "the worker's order")
    let document: TOMLTable
    do throws(Problem) { document = try BoundedTOML.table(text, path: name) } catch { throw Problems([error]) }
    var findings = Findings()
    for given in Self.table.read(document, as: .worker, &findings) { given.change(&self) }
    if let provider = document["provider"]?.table {
      for given in Manifest.table.read(provider, at: "provider", as: .worker, &findings) { given.change(&manifest) }
    }
    let problems = findings.problems(in: text, path: name)
    guard problems.isEmpty else { throw Problems(problems) }
  }
}
