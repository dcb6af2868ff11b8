import CWinsock
import Glibc
import Ownership
import QuerySets
import TOMLKit

/// What was changed about the catalog for good: installed, ordered, enabled and disabled.
public struct CatalogRecord: Sendable, Equatable {
  /// In the order of their installation.
  public var installed: [Installation] = []
  /// The ids of providers, as somebody ordered them; others come behind them.
  public var order: [GUID] = []
  /// Providers that somebody enabled or disabled, whatever their manifests and the configuration say.
  public var enabled: [GUID: Bool] = [:]

  public init() {}
}

/// A `catalog.toml` that keeps a `CatalogRecord` from one host to the next.
///
/// Several processes may change it: each change reads it anew, under a lock, and replaces it as a whole. Any thread may call.
public struct CatalogFile: Sendable {
  public struct Defect: Error, Sendable, Equatable {
    public var detail: String
    public var remedy: String

    public init(detail: String, remedy: String) { (self.detail, self.remedy) = (detail, remedy) }
    init(_ objection: Objection) { self.init(detail: objection.detail, remedy: objection.remedy) }
  }

  public let path: String

  /// - Parameter directory: Made when something is written for the first time.
  public init(directory: String) { path = directory + "/catalog.toml" }

  public var directory: String { String(path.dropLast("/catalog.toml".count)) }

  /// The record; an empty one where there is no file.
  public func read() throws(Defect) -> CatalogRecord {
    // Where nothing was ever kept.
    if access(directory, F_OK) != 0, errno == ENOENT || errno == ENOTDIR { return CatalogRecord() }
    do throws(Objection) { _ = try OwnFolder(directory) } catch { throw Defect(error) }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return CatalogRecord() }
      throw Defect(detail: "\(path): \(String(cString: strerror(errno)))", remedy: "make it readable")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= Self.maximumSize else {
      throw Defect(detail: "\(path) is not a regular file of at most \(Self.maximumSize >> 20) MiB", remedy: "move it away")
    }
    if let objection = Trust().objection(to: status, path) { throw Defect(objection) }
    guard status.st_size > 0 else { return CatalogRecord() }
    guard let bytes = FileBytes(descriptor: descriptor, size: Int(status.st_size)),
      let raw = bytes.slice(0, UInt64(status.st_size)), let text = String(validating: raw, as: UTF8.self)
    else { throw Defect(detail: "\(path) is not UTF-8 text", remedy: "correct it, or move it away") }
    guard let record = CatalogRecord(toml: text) else {
      throw Defect(detail: "\(path) can't be understood", remedy: "correct it, or move it away")
    }
    return record
  }

  private static let maximumSize = 64 << 20

  /// Changes the record for good; where `change` throws, nothing is written.
  public func change<Failure: Error>(_ change: (inout CatalogRecord) throws(Failure) -> Void) throws(ChangeFailure<Failure>) {
    let (folder, lock): (OwnFolder, Int32)
    do throws(Defect) { (folder, lock) = try self.lock() } catch { throw .defect(error) }
    defer { close(lock) }
    var record: CatalogRecord
    do throws(Defect) { record = try read() } catch { throw .defect(error) }
    let before = record
    do throws(Failure) { try change(&record) } catch { throw .refused(error) }
    guard record != before else { return }
    do throws(Defect) { try write(record.toml, in: folder) } catch { throw .defect(error) }
  }

  public enum ChangeFailure<Failure: Error>: Error {
    case defect(Defect)
    case refused(Failure)
  }

  private func failure(_ what: String) -> Defect {
    let remedy =
      switch errno {
      case EACCES, EPERM: "run it as the owner of \(directory)"
      case ENOSPC, EDQUOT: "make room there"
      default: "see that \(directory) is a folder that can be written, or set STATE_DIRECTORY"
      }
    return Defect(detail: "\(what): \(String(cString: strerror(errno)))", remedy: remedy)
  }

  private func lock() throws(Defect) -> (OwnFolder, Int32) {
    let (folder, file): (OwnFolder, Int32)
    do throws(Objection) {
      folder = try OwnFolder(directory, creating: 0o755)
      file = try folder.open("catalog.toml.lock", O_CREAT | O_RDWR)
    } catch { throw Defect(error) }
    // Held for as long as it takes to write one file.
    while flock(file, LOCK_EX) != 0 {
      if errno == EINTR { continue }
      close(file)
      throw failure(path + ".lock")
    }
    return (folder, file)
  }

  /// Written aside, on the disk before it is moved into place.
  private func write(_ text: String, in folder: OwnFolder) throws(Defect) {
    let new = path + ".new"
    let file: Int32
    do throws(Objection) { file = try folder.open("catalog.toml.new", O_CREAT | O_TRUNC | O_WRONLY, mode: 0o644) } catch {
      throw Defect(error)
    }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      rest = rest.dropFirst(count)
    }
    let isWritten = rest.isEmpty && fsync(file) == 0
    let why = isWritten ? nil : failure(new)
    close(file)
    if let why {
      unlink(new)
      throw why
    }
    guard rename(new, path) == 0 else { throw failure(path) }
  }
}

extension CatalogRecord {
  var toml: String {
    let table = TOMLTable()
    table["order"] = TOMLArray(order.map(\.description))
    let switches = TOMLTable()
    for (id, isEnabled) in enabled { switches[id.description] = isEnabled }
    table["enabled"] = switches
    let all = TOMLArray()
    for one in installed {
      let entry = TOMLTable()
      entry["id"] = one.id.description
      entry["name"] = one.identifier
      entry["path"] = one.path
      entry["namespace"] = Int(one.nameSpace.rawValue)
      entry["version"] = Int(one.version)
      if let blob = one.blob { entry["blob"] = Self.digits(blob) }
      all.append(entry)
    }
    table["installed"] = all
    return "# Kept by nsphost: what was installed, ordered, enabled and disabled for good.\n" + table.convert(to: .toml) + "\n"
  }

  /// Nil for what is not one of these files.
  init?(toml text: String) {
    guard let table = try? TOMLTable(string: text) else { return nil }
    for value in table["order"]?.array.map(Array.init) ?? [] {
      guard let id = value.string.flatMap({ GUID($0) }) else { return nil }
      order.append(id)
    }
    if let switches = table["enabled"]?.table {
      for key in switches.keys {
        guard let id = GUID(key), let isEnabled = switches[key]?.bool else { return nil }
        enabled[id] = isEnabled
      }
    }
    for value in table["installed"]?.array.map(Array.init) ?? [] {
      guard let entry = value.table, let id = entry["id"]?.string.flatMap({ GUID($0) }), let name = entry["name"]?.string,
        let path = entry["path"]?.string, let space = entry["namespace"]?.int.flatMap({ UInt32(exactly: $0) }),
        let version = entry["version"]?.int.flatMap({ UInt32(exactly: $0) })
      else { return nil }
      let blob = entry["blob"]?.string.map(Self.bytes)
      if let blob, blob == nil { return nil }
      guard
        let one = try? Installation(
          id: id, identifier: name, path: path, nameSpace: NameSpace(rawValue: space), version: version, blob: blob ?? nil)
      else { return nil }
      installed.append(one)
    }
  }

  private static func digits(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func bytes(_ digits: String) -> [UInt8]? {
    let digits = Array(digits.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}
