import Glibc
import QuerySets

/// Why a file or a folder is not used, and what to do.
package struct Objection: Error, Sendable, Equatable {
  package var detail: String
  package var remedy: String

  package init(_ detail: String, _ remedy: String) { (self.detail, self.remedy) = (detail, remedy) }
}

/// Decides whether strangers could have put something into a file or folder: it and every folder above it must belong to root or the running
/// user, and nobody else may write to them.
package struct Trust {
  private let user: uid_t

  package init(user: uid_t = geteuid()) { self.user = user }

  /// What is wrong with a file or folder of these owner and mode; nil when it is safe.
  package func objection(to status: stat, _ path: String) -> Objection? {
    if status.st_uid != 0, status.st_uid != user {
      return Objection("\(path) belongs to user \(status.st_uid)", "chown root \(path)")
    }
    if status.st_mode & (S_IWGRP | S_IWOTH) != 0 {
      let who = status.st_mode & S_IWOTH != 0 ? "every user" : "its group"
      return Objection("\(path) has mode \(octal(status.st_mode)): \(who) can write it", "chmod go-w \(path)")
    }
    return nil
  }

  /// Judges a folder, every folder above it, and the links on the way. Above, a folder like /tmp may be open to all when its sticky bit
  /// keeps others from replacing what is ours.
  package func objection(toDirectory directory: UnsafePointer<CChar>) -> Objection? {
    // As bytes: a link may lead to a folder whose name is not UTF-8.
    do throws(Objection) {
      _ = try folder(Array(UnsafeBufferPointer(start: directory, count: strlen(directory)).map { UInt8(bitPattern: $0) }))
      return nil
    } catch { return error }
  }

  private static let mostLinks = 40

  /// The real name of the folder that a path leads to, without a link in it. Each part is judged before the next one is looked at.
  /// - Parameters:
  ///   - mode: Of the parts that are missing, which are made; nil: a part that is missing is an objection.
  ///   - mayBeShared: The folder itself may be one like /tmp, too.
  package func folder(_ path: [UInt8], creating mode: mode_t? = nil, mayBeShared: Bool = false) throws(Objection) -> [UInt8] {
    let shown = Self.shown(path.isEmpty ? Array(".".utf8) : path)
    var rest = Self.parts(path)
    if path.first != UInt8(ascii: "/") {
      guard let current = getcwd(nil, 0) else { throw Objection("\(shown) can't be resolved", "check the path") }
      defer { free(current) }
      rest += Self.parts(Array(String(cString: current).utf8))
    }
    var here: [UInt8] = []
    var (links, inShared) = (0, false)
    var status = stat()
    func judge(_ status: stat, _ path: [UInt8], mayBeShared: Bool) throws(Objection) {
      inShared = false
      guard let objection = objection(to: status, Self.shown(path)) else { return }
      // Others can write there, and can't replace what is ours.
      inShared = status.st_mode & S_ISVTX != 0 && (status.st_uid == 0 || status.st_uid == user)
      guard inShared, mayBeShared else { throw objection }
    }
    guard stat("/", &status) == 0 else { throw Objection("/ can't be examined", "make it accessible") }
    try judge(status, here, mayBeShared: true)
    while let part = rest.popLast() {
      if part == Array("..".utf8) {
        here = Self.parent(of: here)
        // It was judged on the way down.
        guard Self.examine(here, &status) else { throw Objection("\(Self.shown(here)) can't be examined", "make it accessible") }
        try judge(status, here, mayBeShared: true)
        continue
      }
      let next = here + [UInt8(ascii: "/")] + part
      guard Self.examine(next, &status) else {
        guard errno == ENOENT, let mode else {
          let why = errno == ENOENT ? "can't be resolved" : "can't be examined: \(String(cString: strerror(errno)))"
          throw Objection("\(errno == ENOENT ? shown : Self.shown(next)) \(why)", "check the path")
        }
        guard Self.terminated(next, { mkdir($0, mode) }) == 0 || errno == EEXIST else {
          throw Objection(
            "\(Self.shown(next)) can't be made: \(String(cString: strerror(errno)))", "make it, or choose another folder")
        }
        rest.append(part)
        continue
      }
      switch status.st_mode & S_IFMT {
      case S_IFLNK:
        // In other folders nobody but those who are trusted can have put it there.
        if inShared, status.st_uid != 0, status.st_uid != user {
          throw Objection(
            "\(Self.shown(next)) is a link of user \(status.st_uid), in a folder that others can write", "remove the link")
        }
        links += 1
        guard links <= Self.mostLinks, let target = Self.target(of: next) else {
          throw Objection("\(shown) can't be resolved", "check the path")
        }
        if target.first == UInt8(ascii: "/") {
          here = []
          inShared = false
        }
        rest += Self.parts(target)
      case S_IFDIR:
        try judge(status, next, mayBeShared: true)
        here = next
      default: throw Objection("\(Self.shown(next)) is not a folder", "check the path")
      }
    }
    if inShared, !mayBeShared {
      guard Self.examine(here, &status) else { throw Objection("\(shown) can't be examined", "make it accessible") }
      try judge(status, here, mayBeShared: false)
    }
    return here.isEmpty ? [UInt8(ascii: "/")] : here
  }

  // MARK: Paths as bytes

  /// The parts of a path, the first one last.
  private static func parts(_ path: [UInt8]) -> [[UInt8]] {
    path.split(separator: UInt8(ascii: "/")).map(Array.init).filter { $0 != [UInt8(ascii: ".")] }.reversed()
  }

  private static func parent(of path: [UInt8]) -> [UInt8] {
    path.lastIndex(of: UInt8(ascii: "/")).map { Array(path[..<$0]) } ?? []
  }

  private static func terminated<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
    ((path.isEmpty ? [UInt8(ascii: "/")] : path) + [0]).withUnsafeBytes { body($0.bindMemory(to: CChar.self).baseAddress!) }
  }

  private static func shown(_ path: [UInt8]) -> String { terminated(path) { String(naming: $0) } }

  private static func examine(_ path: [UInt8], _ status: inout stat) -> Bool { terminated(path) { lstat($0, &status) } == 0 }

  private static func target(of link: [UInt8]) -> [UInt8]? {
    terminated(link) { link in
      let target = [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
        count = max(
          0, readlink(link, UnsafeMutableRawPointer(buffer.baseAddress!).assumingMemoryBound(to: CChar.self), buffer.count))
      }
      return target.isEmpty ? nil : target
    }
  }

  /// Leaves the folder that an absolute path is in. False for the root.
  package static func cutLastPart(_ path: UnsafeMutablePointer<CChar>) -> Bool {
    guard let last = strrchr(path, Int32(UInt8(ascii: "/"))), strlen(path) > 1 else { return false }
    last[last == path ? 1 : 0] = 0
    return true
  }

  private func octal(_ mode: mode_t) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}
