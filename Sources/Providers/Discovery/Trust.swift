import Glibc
import QuerySets

/// Decides whether strangers could have put code into a file: it and every folder above it must belong to root or the running
/// user, and nobody else may write to them.
struct Trust {
  private let user: uid_t

  init(user: uid_t = geteuid()) { self.user = user }

  /// What is wrong with a file or folder of these owner and mode; nil when it is safe.
  func objection(to status: stat, _ path: String) -> (detail: String, remedy: String)? {
    if status.st_uid != 0, status.st_uid != user {
      return ("\(path) belongs to user \(status.st_uid)", "chown root \(path)")
    }
    if status.st_mode & (S_IWGRP | S_IWOTH) != 0 {
      let who = status.st_mode & S_IWOTH != 0 ? "every user" : "its group"
      return ("\(path) has mode \(octal(status.st_mode)): \(who) can write it", "chmod go-w \(path)")
    }
    return nil
  }

  /// Judges a folder and every folder above it. Above, a folder like /tmp may be open to all when its sticky bit keeps others
  /// from replacing what is ours.
  func objection(toDirectory directory: UnsafePointer<CChar>) -> (detail: String, remedy: String)? {
    // As bytes: a link may lead to a folder whose name is not UTF-8.
    guard let path = realpath(directory, nil) else { return ("\(String(naming: directory)) can't be resolved", "check the path") }
    defer { free(path) }
    var isFirst = true
    while true {
      var status = stat()
      guard stat(path, &status) == 0 else { return ("\(String(naming: path)) can't be examined", "make it accessible") }
      if let objection = objection(to: status, String(naming: path)) {
        let isStickyAncestor = !isFirst && status.st_mode & S_ISVTX != 0 && (status.st_uid == 0 || status.st_uid == user)
        if !isStickyAncestor { return objection }
      }
      guard Self.cutLastPart(path) else { return nil }
      isFirst = false
    }
  }

  /// Leaves the folder that an absolute path is in. False for the root.
  static func cutLastPart(_ path: UnsafeMutablePointer<CChar>) -> Bool {
    guard let last = strrchr(path, Int32(UInt8(ascii: "/"))), strlen(path) > 1 else { return false }
    last[last == path ? 1 : 0] = 0
    return true
  }

  private func octal(_ mode: mode_t) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}
