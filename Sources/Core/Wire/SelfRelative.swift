/// Query sets on the wire: the packed `WSAQUERYSETW` of nsp.md §9.3 with offsets from its own start in the place of pointers, so that
/// either side turns a received frame into a structure where it lies.
///
/// The parts must lie in canonical order, one behind the other, each at a multiple of 8. That is what both sides write; it also
/// means that turning one offset into a pointer can't change what another one leads to.
public enum SelfRelative {
  /// Of `WSAQUERYSETW`, in bytes.
  public static let headSize = 120

  /// Where the fields are (nsp.md §3).
  public enum Field {
    public static let size = 0
    public static let name = 8
    public static let serviceClass = 16
    public static let version = 24
    public static let comment = 32
    public static let nameSpace = 40
    public static let provider = 48
    public static let context = 56
    public static let protocolCount = 64
    public static let protocols = 72
    public static let queryString = 80
    public static let addressCount = 88
    public static let addresses = 96
    public static let outputFlags = 104
    public static let blob = 112
  }
  /// Of a `CSADDR_INFO`, and where its two `SOCKET_ADDRESS`es begin.
  public static let addressSize = 40
  // Computed: a constant that is made at its first use would be made for ever in a child of a fork in the middle of that.
  public static var addressSides: StrideThrough<Int> { stride(from: 0, through: 16, by: 16) }
  /// Of an `AFPROTOCOLS`.
  public static let protocolSize = 8
  /// What nsp.md §9.4 lets anybody send.
  public static let maximumSockaddr = 4096
  public static let maximumAddresses = 4096
  public static let maximumProtocols = 4096
  public static let maximumText = 32 << 10
  public static let maximumBlob = 1 << 20

  /// Checks what a stranger sent and turns its offsets into pointers. False, with the bytes in no particular state, when something
  /// is out of bounds, out of order, or a text has no end.
  public static func resolve(_ bytes: UnsafeMutableRawBufferPointer) -> Bool {
    guard let base = bytes.baseAddress, bytes.count >= headSize, Int(bitPattern: base) & 7 == 0,
      bytes.load(fromByteOffset: Field.size, as: UInt32.self) == UInt32(headSize)
    else { return false }
    var walk = Walk(bytes)
    guard walk.text(Field.name), walk.fixed(Field.serviceClass, 16), walk.fixed(Field.version, 8), walk.text(Field.comment),
      walk.fixed(Field.provider, 16), walk.text(Field.context),
      walk.array(Field.protocols, walk.count(Field.protocolCount), protocolSize) != nil, walk.text(Field.queryString)
    else { return false }
    let addressCount = walk.count(Field.addressCount)
    guard let addresses = walk.array(Field.addresses, addressCount, addressSize) else { return false }
    for index in 0..<addressCount {
      for side in addressSides {
        let place = addresses + index * addressSize + side
        let length = Int(bytes.load(fromByteOffset: place + 8, as: Int32.self))
        guard length >= 0, length <= maximumSockaddr, walk.part(place, length) else { return false }
      }
    }
    guard bytes.load(fromByteOffset: Field.blob, as: UInt64.self) != 0 else { return true }
    guard let blob = walk.array(Field.blob, 1, 16) else { return false }
    return walk.part(blob + 8, Int(bytes.load(fromByteOffset: blob, as: UInt32.self)))
  }

  /// The way back: a structure that was packed at the start of `bytes`, pointers and all, gets offsets instead.
  public static func makeRelative(_ bytes: UnsafeMutableRawBufferPointer) {
    guard let base = bytes.baseAddress, bytes.count >= headSize else { return }
    let start = UInt64(UInt(bitPattern: base))
    func relative(_ place: Int) -> Int? {
      let pointer = bytes.load(fromByteOffset: place, as: UInt64.self)
      guard pointer != 0 else { return nil }
      bytes.storeBytes(of: pointer - start, toByteOffset: place, as: UInt64.self)
      return Int(pointer - start)
    }
    for field in [Field.name, Field.serviceClass, Field.version, Field.comment, Field.provider, Field.context] {
      _ = relative(field)
    }
    _ = relative(Field.protocols)
    _ = relative(Field.queryString)
    if let addresses = relative(Field.addresses) {
      for index in 0..<Int(bytes.load(fromByteOffset: Field.addressCount, as: UInt32.self)) {
        for side in addressSides { _ = relative(addresses + index * addressSize + side) }
      }
    }
    if let blob = relative(Field.blob) { _ = relative(blob + 8) }
  }

  /// Goes through the parts in their order.
  struct Walk {
    let bytes: UnsafeMutableRawBufferPointer
    /// Where the next part may begin.
    var used = headSize

    init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

    func count(_ place: Int) -> Int { Int(bytes.load(fromByteOffset: place, as: UInt32.self)) }

    /// The offset at a place, if it leads to a legal start. Nil: there is none; a negative number: it leads elsewhere.
    private func start(_ place: Int) -> Int? {
      let offset = bytes.load(fromByteOffset: place, as: UInt64.self)
      guard offset != 0 else { return nil }
      guard offset >= UInt64(used), offset <= UInt64(bytes.count), offset & 7 == 0 else { return -1 }
      return Int(offset)
    }

    private mutating func take(_ place: Int, _ start: Int, _ size: Int) -> Bool {
      guard size <= bytes.count - start, let base = bytes.baseAddress else { return false }
      used = start + size
      bytes.storeBytes(of: UInt64(UInt(bitPattern: base + start)), toByteOffset: place, as: UInt64.self)
      return true
    }

    mutating func fixed(_ place: Int, _ size: Int) -> Bool {
      guard let start = start(place) else { return true }
      return start >= 0 && take(place, start, size)
    }

    mutating func text(_ place: Int) -> Bool {
      guard let start = start(place) else { return true }
      guard start >= 0 else { return false }
      var end = start
      while end + 2 <= bytes.count {
        if bytes.load(fromByteOffset: end, as: UInt16.self) == 0 { return take(place, start, end + 2 - start) }
        end += 2
      }
      return false
    }

    /// Where the array begins; the end of the head when it has no elements; nil when it is not what it says.
    mutating func array(_ place: Int, _ count: Int, _ size: Int) -> Int? {
      guard let start = start(place) else { return count == 0 ? headSize : nil }
      guard start >= 0, count > 0, count <= (bytes.count - start) / size, take(place, start, count * size) else { return nil }
      return start
    }

    /// Bytes with a length; none where that is 0.
    mutating func part(_ place: Int, _ length: Int) -> Bool {
      guard let start = start(place) else { return length == 0 }
      return start >= 0 && length > 0 && take(place, start, length)
    }
  }
}
