import CLinux
import Foundation
import Glibc
import Ownership
import Providers
import QuerySets

/// A folder whose files outlive a host: the host's own, which is called `state`, or that of a provider, called as the configuration calls it.
public struct StateFolder: Sendable, Equatable {
  public var name: String
  public var path: String

  public init(name: String, path: String) {
    self.name = name
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.reversed().drop { $0 == "/" }.reversed()) : path
  }
}

/// Saves state folders in a file, and puts back what was saved.
///
/// A folder's files are saved, and not what a host makes anew: locks, logs of databases, files in which it is only counted. Databases are
/// copied as they are at one moment.
public enum StateBackup {
  /// What was done.
  public struct Report: Sendable {
    /// `FOLDER/FILE`.
    public var files: [String] = []
    /// What was not saved, and why: a line each.
    public var leftOut: [String] = []
    /// Where the files are now that were there before.
    public var replaced: [String] = []
  }

  /// Made anew by whoever opens the folder.
  private static let passing = ["directory.runs", "schema.changes"]
  private static let passingEnds = [".lock", ".new", "-wal", "-shm", "-journal"]

  // MARK: Saving

  /// Saves folders in a file, which takes the place of one of that name when it is complete. Hosts may use the folders meanwhile.
  public static func save(_ folders: [StateFolder], to path: String) throws(StateFailure) -> Report {
    var report = Report()
    var status = stat()
    if lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG, status.st_mode & S_IFMT != S_IFLNK {
      throw StateFailure("\(path) is there and is not a regular file", "choose another name")
    }
    let work = try WorkFolder(beside: path, "choose a folder that is yours or root's for the backup")
    defer { work.remove() }
    let new = try work.create("backup")
    defer { close(new) }
    var writer = Archive.Writer(new, path)
    for folder in folders {
      let (opened, names): (OwnFolder, [String])
      do throws(Objection) {
        opened = try OwnFolder(folder.path)
        names = try Self.names(in: opened, &report)
      } catch { throw StateFailure(error) }
      for name in names { try add(name, of: opened, folder.name, &writer, work, &report) }
    }
    guard !report.files.isEmpty else {
      throw StateFailure(
        "there is nothing to save in \(folders.map(\.path).joined(separator: ", "))",
        "name the folder: STATE_DIRECTORY, or --config")
    }
    try writer.finish()
    guard rename(work.path(of: "backup"), work.neighbour) == 0 else { throw .system(path, "choose another place") }
    WorkFolder.sync(parent(of: work.neighbour))
    return report
  }

  /// The files of a folder that are saved, sorted.
  private static func names(in folder: OwnFolder, _ report: inout Report) throws(Objection) -> [String] {
    guard let stream = opendir(folder.path) else {
      throw Objection("\(folder.path): \(String(cString: strerror(errno)))", "run it as the owner of the folder")
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let (name, shown) = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { (String(validatingCString: $0), String(naming: $0)) }
      }
      if name == "." || name == ".." { continue }
      var status = stat()
      guard let name, Archive.isPlain(name) else {
        report.leftOut.append("\(folder.path)/\(shown): its name can't be kept")
        continue
      }
      if passing.contains(name) || passingEnds.contains(where: { name.hasSuffix($0) }) { continue }
      if lstat(folder.path(of: name), &status) != 0 { continue }
      guard status.st_mode & S_IFMT == S_IFREG else {
        report.leftOut.append("\(folder.path(of: name)): it is not a regular file")
        continue
      }
      names.append(name)
    }
    return names.sorted()
  }

  private static func add(
    _ name: String, of folder: OwnFolder, _ label: String, _ writer: inout Archive.Writer, _ work: WorkFolder,
    _ report: inout Report
  ) throws(StateFailure) {
    let path = folder.path(of: name)
    var status = stat()
    let source: Int32
    do throws(Objection) { source = try folder.open(name, O_RDONLY) } catch { throw StateFailure(error) }
    defer { close(source) }
    if Databases.isDatabase(source) {
      guard fstat(source, &status) == 0 else { throw .system(path, "see what its disk says") }
      try Databases.copy(path, to: work.path(of: "copy"))
    } else {
      if Databases.known.contains(name), fstat(source, &status) == 0, status.st_size > 0 {
        throw StateFailure("\(path) is damaged: it is no database", "move it away, or restore another backup of it")
      }
      try copy(source, path, &status, to: work)
    }
    defer { work.forget("copy") }
    let copy = try work.open("copy")
    defer { close(copy) }
    let (mode, modified) = (status.st_mode, status.st_mtim)
    guard fstat(copy, &status) == 0 else { throw .system(path, "see what its disk says") }
    (status.st_mode, status.st_mtim) = (mode, modified)
    try writer.add(label, name, from: copy, status)
    report.files.append("\(label)/\(name)")
  }

  /// Copies a file as it is at one moment: one that changes meanwhile is copied again.
  private static func copy(_ source: Int32, _ path: String, _ status: inout stat, to work: WorkFolder) throws(StateFailure) {
    for _ in 0..<5 {
      guard fstat(source, &status) == 0 else { throw .system(path, "see what its disk says") }
      let target = try work.create("copy")
      defer { close(target) }
      let before = status
      try Archive.copy(source, Int64(status.st_size), path, to: target)
      guard fstat(source, &status) == 0 else { throw .system(path, "see what its disk says") }
      if status.st_size == before.st_size, status.st_mtim.tv_sec == before.st_mtim.tv_sec,
        status.st_mtim.tv_nsec == before.st_mtim.tv_nsec
      {
        return
      }
      work.forget("copy")
    }
    throw StateFailure("\(path) changes all the time", "see who writes it")
  }

  // MARK: Restoring

  /// Puts back what a file has. Each folder is made beside the one that is there, and takes its place as a whole; that one is kept beside it.
  /// - Parameter folders: Where the folders are that the file may have.
  public static func restore(_ path: String, to folders: [StateFolder]) throws(StateFailure) -> Report {
    let descriptor = try open(path)
    defer { close(descriptor) }
    let entries = try Archive.read(descriptor, path)
    var report = Report()
    var replacements: [Replacement] = []
    for name in entries.map(\.folder).reduce(into: [String](), { if !$0.contains($1) { $0.append($1) } }) {
      guard let folder = folders.first(where: { $0.name == name }) else {
        throw StateFailure(
          "\(path) has the folder of the provider \(name), and the configuration names none",
          "write state in [providers.\(name).settings], or name the configuration with --config")
      }
      replacements.append(try Replacement(of: folder))
    }
    guard !replacements.isEmpty else { throw StateFailure("\(path) has no files", "use another backup") }
    for replacement in replacements {
      for entry in entries where entry.folder == replacement.folder.name {
        try replacement.extract(entry, of: descriptor, path)
        report.files.append(entry.name)
      }
      try replacement.check(path)
    }
    for (index, replacement) in replacements.enumerated() {
      do throws(StateFailure) { try replacement.takePlace() } catch {
        // All of them, or none.
        for former in replacements[..<index] { former.giveBack() }
        throw error
      }
    }
    report.replaced = replacements.compactMap { $0.keepFormer() }
    return report
  }

  /// Opens a backup: nobody but root and this user can have changed it.
  private static func open(_ path: String) throws(StateFailure) -> Int32 {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system(path, "give the path of a backup") }
    var status = stat()
    let isRegular = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    let failure =
      isRegular
      ? Trust().objection(to: status, path).map { StateFailure($0) }
      : StateFailure("\(path) is not a regular file", "give the path of a backup")
    guard let failure else { return descriptor }
    close(descriptor)
    throw failure
  }

  static func parent(of path: String) -> String {
    path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  }
}
