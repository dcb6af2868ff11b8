/// Service classes on the wire: the packed `WSASERVICECLASSINFOW` of nsp.md §9.3, by the rules of query sets: id, name, the array of values,
/// then for each value its name and its bytes.
extension SelfRelative {
  /// Of `WSASERVICECLASSINFOW`, and of each `WSANSCLASSINFOW`; both in bytes.
  public static let classHeadSize = 32
  public static let classValueSize = 32
  public static let maximumClassValues = 4096

  /// Where the fields are (nsp.md §3).
  public enum ClassField {
    public static let id = 0
    public static let name = 8
    public static let count = 16
    public static let values = 24
  }

  /// In each value.
  public enum ClassValueField {
    public static let name = 0
    public static let nameSpace = 8
    public static let type = 12
    public static let size = 16
    public static let value = 24
  }

  /// As `resolve`, for a service class. Its id and every name must be there.
  public static func resolveClass(_ bytes: UnsafeMutableRawBufferPointer) -> Bool {
    guard let base = bytes.baseAddress, bytes.count >= classHeadSize, Int(bitPattern: base) & 7 == 0 else { return false }
    var walk = Walk(bytes)
    walk.used = classHeadSize
    func isThere(_ place: Int) -> Bool { bytes.load(fromByteOffset: place, as: UInt64.self) != 0 }
    guard isThere(ClassField.id), walk.fixed(ClassField.id, 16), isThere(ClassField.name), walk.text(ClassField.name) else {
      return false
    }
    let count = walk.count(ClassField.count)
    guard count <= maximumClassValues, let values = walk.array(ClassField.values, count, classValueSize) else { return false }
    for index in 0..<count {
      let place = values + index * classValueSize
      guard isThere(place + ClassValueField.name), walk.text(place + ClassValueField.name),
        walk.part(place + ClassValueField.value, walk.count(place + ClassValueField.size))
      else { return false }
    }
    return true
  }

  /// As `makeRelative`, for a service class.
  public static func makeClassRelative(_ bytes: UnsafeMutableRawBufferPointer) {
    guard let base = bytes.baseAddress, bytes.count >= classHeadSize else { return }
    let start = UInt64(UInt(bitPattern: base))
    func relative(_ place: Int) {
      let pointer = bytes.load(fromByteOffset: place, as: UInt64.self)
      if pointer != 0 { bytes.storeBytes(of: pointer - start, toByteOffset: place, as: UInt64.self) }
    }
    for field in [ClassField.id, ClassField.name, ClassField.values] { relative(field) }
    let values = Int(bytes.load(fromByteOffset: ClassField.values, as: UInt64.self))
    for index in 0..<Int(bytes.load(fromByteOffset: ClassField.count, as: UInt32.self)) {
      relative(values + index * classValueSize + ClassValueField.name)
      relative(values + index * classValueSize + ClassValueField.value)
    }
  }
}
