import CLinux
import Foundation
import Glibc
import Ownership
import Providers

/// A folder in the making that takes the place of a state folder as a whole: nobody sees half of it.
final class Replacement {
  let folder: StateFolder
  /// The real name of the folder that is replaced, or that is made.
  private let path: String
  /// Nil where there was no folder.
  private let former: OwnFolder?
  private let work: WorkFolder
  /// No host uses either of them until this is over.
  private var claims: [StateClaim] = []
  private var hasPlace = false

  init(of folder: StateFolder) throws(StateFailure) {
    self.folder = folder
    do throws(Objection) {
      former = access(folder.path, F_OK) == 0 ? try OwnFolder(folder.path) : nil
      let name = (folder.path as NSString).lastPathComponent
      path =
        if let former { former.path } else { try OwnFolder(StateBackup.parent(of: folder.path), creating: 0o755).path(of: name) }
    } catch { throw StateFailure(error) }
    var (own, above) = (stat(), stat())
    let parent = StateBackup.parent(of: path)
    if former != nil, lstat(path, &own) == 0, lstat(parent, &above) == 0, own.st_dev != above.st_dev || path == "/" {
      throw StateFailure(
        "\(path) is a mount point, which can't be replaced as a whole",
        "restore to another folder, with STATE_DIRECTORY, and copy its files")
    }
    work = try WorkFolder(
      beside: path, "run it as the owner of the folder above, or restore to another folder with STATE_DIRECTORY")
    do throws(Objection) {
      if let former {
        guard let claim = try StateClaim.alone(former) else {
          throw Objection("a host uses \(path)", "stop it: systemctl stop nsphost.socket nsphost.service")
        }
        claims.append(claim)
        for name in Databases.known where access(former.path(of: name), F_OK) == 0 && Databases.isInUse(former.path(of: name)) {
          throw Objection("a process uses \(former.path(of: name))", "stop the host, and wait for its workers to end")
        }
      }
      // A host that finds the new folder waits for the end of the restore, too.
      if let claim = try StateClaim.alone(work.folder) { claims.append(claim) }
    } catch {
      work.remove()
      throw StateFailure(error)
    }
  }

  deinit { if !hasPlace { work.remove() } }

  func extract(_ entry: Archive.Entry, of backup: Int32, _ path: String) throws(StateFailure) {
    // Nobody else writes what the host keeps, whatever the backup says.
    let target = try work.create(entry.file, mode: mode_t(entry.mode & 0o644 | 0o600))
    defer { close(target) }
    try Archive.extract(entry, of: backup, path, to: target, work.path(of: entry.file))
    var times = [timespec(tv_sec: Int(entry.modified), tv_nsec: 0), timespec(tv_sec: Int(entry.modified), tv_nsec: 0)]
    _ = futimens(target, &times)
    let isDatabase = Databases.isDatabase(target)
    guard isDatabase || entry.length == 0 || !Databases.known.contains(entry.file) else {
      throw StateFailure("\(path) is damaged: \(entry.name) is no database", "use another backup")
    }
    guard fsync(target) == 0 else { throw .system(work.path(of: entry.file), "make room there") }
    if isDatabase { try Databases.check(work.path(of: entry.file), named: "\(entry.name) of \(path)") }
  }

  /// Whether a host would understand what it has.
  func check(_ backup: String) throws(StateFailure) {
    do throws(CatalogFile.Defect) { _ = try CatalogFile(directory: work.folder.path).read() } catch {
      throw StateFailure("\(folder.name)/catalog.toml of \(backup): \(error.detail)", "use another backup")
    }
    var status = stat()
    let mode = former != nil && lstat(path, &status) == 0 ? status.st_mode & 0o755 : 0o755
    guard chmod(work.folder.path, mode) == 0 else { throw .system(work.folder.path, "see that it can be changed") }
    WorkFolder.sync(work.folder.path)
  }

  func takePlace() throws(StateFailure) {
    let isDone = former == nil ? nsp_rename_new(work.folder.path, path) == 0 : nsp_exchange(work.folder.path, path) == 0
    guard isDone else {
      throw .system(
        "\(path) can't be replaced as a whole", "restore to another folder, with STATE_DIRECTORY, and copy its files")
    }
    hasPlace = true
    WorkFolder.sync(StateBackup.parent(of: path))
  }

  /// Undoes `takePlace`.
  func giveBack() {
    let isDone = former == nil ? rename(path, work.folder.path) == 0 : nsp_exchange(path, work.folder.path) == 0
    hasPlace = !isDone
  }

  /// Gives what was there before a name that says so: which one. Nil where nothing was there.
  func keepFormer() -> String? {
    guard former != nil else { return nil }
    var (now, fields) = (time(nil), tm())
    gmtime_r(&now, &fields)
    let moment = String(
      format: "%04d%02d%02dT%02d%02d%02dZ", fields.tm_year + 1900, fields.tm_mon + 1, fields.tm_mday, fields.tm_hour,
      fields.tm_min,
      fields.tm_sec)
    let name = "\(path).before-\(moment)"
    // Another restore in the same second keeps its own name.
    return nsp_rename_new(work.folder.path, name) == 0 ? name : work.folder.path
  }
}

/// A new folder beside a file or folder, in which this process works. Nobody else can write it.
struct WorkFolder {
  let folder: OwnFolder
  /// What it is beside, by its real name but for a link at its end.
  let neighbour: String

  /// - Parameter remedy: Where the folder above can't be used.
  init(beside path: String, _ remedy: String) throws(StateFailure) {
    do throws(Objection) {
      // One like /tmp will do: nobody else can put anything into the place of a new folder.
      let above = try OwnFolder(StateBackup.parent(of: path), mayBeShared: true)
      neighbour = above.path(of: (path as NSString).lastPathComponent)
      var template = Array("\(neighbour).XXXXXX".utf8CString)
      guard mkdtemp(&template) != nil else { throw Objection("\(above.path): \(String(cString: strerror(errno)))", remedy) }
      folder = try OwnFolder(template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
    } catch { throw StateFailure(error.detail, remedy) }
  }

  func path(of name: String) -> String { folder.path(of: name) }

  /// A new file, which the caller closes.
  func create(_ name: String, mode: mode_t = 0o600) throws(StateFailure) -> Int32 {
    do throws(Objection) { return try folder.open(name, O_RDWR | O_CREAT | O_EXCL, mode: mode) } catch {
      throw StateFailure(error)
    }
  }

  func open(_ name: String) throws(StateFailure) -> Int32 {
    do throws(Objection) { return try folder.open(name, O_RDONLY) } catch { throw StateFailure(error) }
  }

  /// Removes a file, and what SQLite may have left beside it.
  func forget(_ name: String) { for end in ["", "-wal", "-shm", "-journal"] { unlink(path(of: name + end)) } }

  func remove() { try? FileManager.default.removeItem(atPath: folder.path) }

  /// Brings the names in a folder to the disk.
  static func sync(_ path: String) {
    let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }
}
