import Foundation
import Glibc
import Hosting
import Providers

/// A scan of 1,000 provider files against opening each and reading its ELF header and dynamic symbol table.
func scanBenchmark(_ directory: String) {
  let folder = FileManager.default.temporaryDirectory.path + "/nsphost-scan-\(getpid())"
  guard
    (try? FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])) != nil,
    let image = FileManager.default.contents(atPath: directory + "/hello.so"),
    let identifier = image.range(of: Data([0x1E, 0x5A, 0x0C, 0x3F, 0x1D, 0x6B, 0x52, 0x4B]))
  else { return }
  defer { try? FileManager.default.removeItem(atPath: folder) }
  for number in 0..<1_000 {
    var copy = image
    // Each file is a provider of its own.
    copy[identifier.lowerBound] = UInt8(truncatingIfNeeded: number)
    copy[identifier.lowerBound + 1] = UInt8(truncatingIfNeeded: number >> 8)
    guard
      FileManager.default.createFile(atPath: "\(folder)/p\(number).so", contents: copy, attributes: [.posixPermissions: 0o644])
    else { return }
  }
  let scan = PluginScan(directories: [folder], hostExports: ProviderHost.exports)
  guard scan.candidates().count == 1_000 else { return }
  let (value, floor) = medians(rounds: 15, count: 1, { _ = scan.candidates() }, { bareScan(folder) })
  report("scan.1000", value / 1000, "us", floor: floor / 1000, goal: 2)
}

/// What no scan can do without: every file opened, its header, section table, dynamic symbols and their names read.
private func bareScan(_ folder: String) {
  guard let stream = opendir(folder) else { return }
  defer { closedir(stream) }
  let folderDescriptor = dirfd(stream)
  let buffer = UnsafeMutableRawPointer.allocate(byteCount: 1 << 16, alignment: 8)
  defer { buffer.deallocate() }
  while let entry = readdir(stream) {
    let descriptor = withUnsafePointer(to: &entry.pointee.d_name) { name in
      name.withMemoryRebound(to: CChar.self, capacity: 256) { openat(folderDescriptor, $0, O_RDONLY) }
    }
    guard descriptor >= 0 else { continue }
    defer { close(descriptor) }
    guard pread(descriptor, buffer, 64, 0) == 64 else { continue }
    let sections = buffer.load(fromByteOffset: 40, as: Int.self)
    let count = Int(buffer.load(fromByteOffset: 60, as: UInt16.self))
    guard pread(descriptor, buffer, min(count * 64, 1 << 15), sections) > 0 else { continue }
    for index in 0..<min(count, 512) {
      let header = buffer + index * 64
      guard header.load(fromByteOffset: 4, as: UInt32.self) == 11 else { continue }  // SHT_DYNSYM
      let (offset, size) = (header.load(fromByteOffset: 24, as: Int.self), header.load(fromByteOffset: 32, as: Int.self))
      let names = buffer + Int(header.load(fromByteOffset: 40, as: UInt32.self)) * 64
      let (nameOffset, nameSize) = (names.load(fromByteOffset: 24, as: Int.self), names.load(fromByteOffset: 32, as: Int.self))
      _ = pread(descriptor, buffer + (1 << 15), min(size, 1 << 14), offset)
      _ = pread(descriptor, buffer + (1 << 15) + (1 << 14), min(nameSize, 1 << 14), nameOffset)
      break
    }
  }
}
