import Glibc

/// Users by name and number, each asked for once.
final class UserNames {
  private var names: [UInt32: String?] = [:]
  private static let room = 1 << 16

  /// Nil where nobody has it, or it can't be found out.
  func name(of number: UInt32) -> String? {
    if let known = names[number] { return known }
    let found = Self.find { getpwuid_r(number, $0, $1, Self.room, $2) }
    names[number] = .some(found?.name)
    return found?.name
  }

  /// From a name or a number.
  /// - Parameter what: What was asked for, for the error where there is no such user.
  static func number(of text: String, for what: String) throws(CommandFailure) -> UInt32 {
    if let number = UInt32(text) ?? find({ getpwnam_r(text, $0, $1, room, $2) })?.number { return number }
    throw CommandFailure(
      kind: .usage, what: what, why: "there is no user \"\(text)\"", remedy: "use a name or number that `getent passwd` knows")
  }

  private static func find(
    _ ask: (UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>) ->
      Int32
  ) -> (name: String, number: UInt32)? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: room) { buffer in
      var entry = passwd()
      var found: UnsafeMutablePointer<passwd>?
      guard ask(&entry, buffer.baseAddress!, &found) == 0, let found, let name = found.pointee.pw_name else { return nil }
      return (String(cString: name), found.pointee.pw_uid)
    }
  }
}
