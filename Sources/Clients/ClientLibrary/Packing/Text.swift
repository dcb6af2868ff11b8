/// The two forms of text: UTF-16 (W) and UTF-8 (A), each ended by a NUL.
enum TextForm {
  case wide
  case narrow
}

/// Text of a caller as UTF-16 units, without its NUL; nil for text that is malformed or too long.
func units(_ pointer: UnsafeRawPointer, _ form: TextForm, limit: Int) -> [UInt16]? {
  var units: [UInt16] = []
  switch form {
  case .wide:
    var next = pointer.assumingMemoryBound(to: UInt16.self)
    while next.pointee != 0 {
      guard units.count < limit else { return nil }
      units.append(next.pointee)
      next += 1
    }
    return isWellFormed(units) ? units : nil
  case .narrow:
    var next = pointer.assumingMemoryBound(to: UInt8.self)
    while next.pointee != 0 {
      guard units.count < limit, let scalar = scalar(&next) else { return nil }
      if scalar < 0x10000 {
        units.append(UInt16(scalar))
      } else {
        units.append(UInt16(0xD800 + (scalar - 0x10000) >> 10))
        units.append(UInt16(0xDC00 + (scalar - 0x10000) & 0x3FF))
      }
    }
    return units
  }
}

private func isWellFormed(_ units: [UInt16]) -> Bool {
  var index = 0
  while index < units.count {
    let unit = units[index]
    if unit & 0xFC00 == 0xD800 {
      guard index + 1 < units.count, units[index + 1] & 0xFC00 == 0xDC00 else { return false }
      index += 1
    } else if unit & 0xFC00 == 0xDC00 {
      return false
    }
    index += 1
  }
  return true
}

/// One scalar of UTF-8, in its shortest form; the pointer moves behind it.
private func scalar(_ next: inout UnsafePointer<UInt8>) -> UInt32? {
  let first = UInt32(next.pointee)
  next += 1
  if first < 0x80 { return first }
  let (count, least): (Int, UInt32)
  var value: UInt32
  switch first {
  case 0xC2...0xDF: (count, least, value) = (1, 0x80, first & 0x1F)
  case 0xE0...0xEF: (count, least, value) = (2, 0x800, first & 0x0F)
  case 0xF0...0xF4: (count, least, value) = (3, 0x10000, first & 0x07)
  default: return nil
  }
  for _ in 0..<count {
    let byte = UInt32(next.pointee)
    guard byte & 0xC0 == 0x80 else { return nil }
    value = value << 6 | byte & 0x3F
    next += 1
  }
  return value < least || value > 0x10FFFF || value & 0xFFFF_F800 == 0xD800 ? nil : value
}

/// The UTF-8 of UTF-16 text, which ends with a NUL; written where there is a target.
/// - Returns: Its bytes, the NUL included.
func narrow(_ source: UnsafePointer<UInt16>, into target: UnsafeMutablePointer<UInt8>?) -> Int {
  var count = 0
  func put(_ byte: UInt32) {
    if let target { target[count] = UInt8(truncatingIfNeeded: byte) }
    count += 1
  }
  var next = source
  while next.pointee != 0 {
    var scalar = UInt32(next.pointee)
    next += 1
    if scalar & 0xFC00 == 0xD800, next.pointee & 0xFC00 == 0xDC00 {
      scalar = 0x10000 + (scalar & 0x3FF) << 10 + UInt32(next.pointee & 0x3FF)
      next += 1
    }
    switch scalar {
    case ..<0x80: put(scalar)
    case ..<0x800:
      put(0xC0 | scalar >> 6)
      put(0x80 | scalar & 0x3F)
    case ..<0x10000:
      put(0xE0 | scalar >> 12)
      put(0x80 | scalar >> 6 & 0x3F)
      put(0x80 | scalar & 0x3F)
    default:
      put(0xF0 | scalar >> 18)
      put(0x80 | scalar >> 12 & 0x3F)
      put(0x80 | scalar >> 6 & 0x3F)
      put(0x80 | scalar & 0x3F)
    }
  }
  put(0)
  return count
}
