import CWinsock

/// `NSP_REGISTRATION` (nsphost.h): what a provider that lists its registrations says of one, beside its name, context and addresses.
public struct RegistrationBlob: Hashable, Sendable {
  public var userID: UInt32
  /// Of the session that it ends with, where that is known.
  public var processID: Int32?
  public var serviceClass: GUID?
  /// Seconds since 1970, as `expires`; nil where it is not known.
  public var registered: UInt64?
  /// Nil: not by time.
  public var expires: UInt64?
  public var endsWithSession = false
  public var isDeregistered = false

  public init(userID: UInt32) { self.userID = userID }

  /// From a record's blob; nil for one of another kind.
  public init?(_ bytes: [UInt8]) {
    var blob = NSP_REGISTRATION()
    let size = MemoryLayout<NSP_REGISTRATION>.size
    guard bytes.count >= size else { return nil }
    withUnsafeMutableBytes(of: &blob) { $0.copyBytes(from: bytes[..<size]) }
    guard Int(blob.cbSize) == size else { return nil }
    self.init(userID: blob.dwUserId)
    processID = blob.dwProcessId == 0 ? nil : Int32(bitPattern: blob.dwProcessId)
    serviceClass = blob.dwTraits & DWORD(NSP_REGISTRATION_HAS_CLASS) == 0 ? nil : blob.ServiceClassId
    registered = blob.ullRegistered == 0 ? nil : blob.ullRegistered
    expires = blob.ullExpires == 0 ? nil : blob.ullExpires
    endsWithSession = blob.dwTraits & DWORD(NSP_REGISTRATION_ENDS_WITH_SESSION) != 0
    isDeregistered = blob.dwTraits & DWORD(NSP_REGISTRATION_DEREGISTERED) != 0
  }

  public var bytes: [UInt8] {
    var blob = NSP_REGISTRATION()
    blob.cbSize = DWORD(MemoryLayout<NSP_REGISTRATION>.size)
    if let serviceClass {
      blob.dwTraits |= DWORD(NSP_REGISTRATION_HAS_CLASS)
      blob.ServiceClassId = serviceClass
    }
    if endsWithSession { blob.dwTraits |= DWORD(NSP_REGISTRATION_ENDS_WITH_SESSION) }
    if isDeregistered { blob.dwTraits |= DWORD(NSP_REGISTRATION_DEREGISTERED) }
    (blob.dwUserId, blob.dwProcessId) = (userID, DWORD(bitPattern: processID ?? 0))
    (blob.ullRegistered, blob.ullExpires) = (registered ?? 0, expires ?? 0)
    return withUnsafeBytes(of: blob) { Array($0) }
  }

  /// The query string that means a user's registrations: of a question for them, or where an operator takes one back.
  public static func words(of user: UInt32) -> String { "user=\(user)" }

  /// Whose registrations a query string means; nil: it names nobody.
  public static func user(in queryString: String?) -> UInt32? {
    guard let text = queryString, text.hasPrefix("user=") else { return nil }
    return UInt32(text.dropFirst("user=".count))
  }
}
