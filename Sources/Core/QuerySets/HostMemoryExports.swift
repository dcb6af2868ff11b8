// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CWinsock
import Glibc

// The C doors of this room, for code of providers. Declared in nsphost.h.

@c @implementation
public func NSPHostAllocate(_ cbSize: SIZE_T) -> LPVOID? { calloc(1, max(Int(clamping: cbSize), 1)) }

@c @implementation
public func NSPHostFree(_ lpMemory: LPVOID?) { free(lpMemory) }

@c @implementation
public func NSPHostWideFromUtf8(_ lpszText: LPCSTR?, _ lpszWide: LPWSTR?, _ lpcchWide: LPDWORD?) -> INT {
  guard let text = lpszText, let length = lpcchWide else { return WSAEINVAL }
  var memory = ForeignMemory(.foreign(block: nil))
  guard let bytes = try? memory.bytes(endingAtNULOf: text, limit: .max, "lpszText"),
    let value = String(validating: bytes, as: UTF8.self)
  else { return WSAEINVAL }
  return deliver(value.utf16, to: lpszWide, length)
}

@c @implementation
public func NSPHostUtf8FromWide(_ lpszWide: LPCWSTR?, _ lpszText: LPSTR?, _ lpcbText: LPDWORD?) -> INT {
  guard let wide = lpszWide, let length = lpcbText else { return WSAEINVAL }
  guard let value = try? HandedOver.text(wide, limit: .max, "lpszWide") else { return WSAEINVAL }
  return deliver(value.utf8.lazy.map { CChar(bitPattern: $0) }, to: lpszText, length)
}

/// Writes units and a NUL, or says how many that takes.
private func deliver<Units: Collection>(_ units: Units, to target: UnsafeMutablePointer<Units.Element>?, _ length: LPDWORD) -> INT
where Units.Element: FixedWidthInteger {
  let needed = units.count + 1
  guard let target, Int(length.pointee) >= needed else {
    length.pointee = DWORD(clamping: needed)
    return WSAEFAULT
  }
  var next = target
  for unit in units {
    next.pointee = unit
    next += 1
  }
  next.pointee = 0
  return 0
}
