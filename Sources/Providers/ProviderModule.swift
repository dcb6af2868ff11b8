import CDynamicLinker
import CWinsock
import Glibc
import QuerySets

/// A provider's file in this process: mapped by `init`, unmapped by `deinit`.
///
/// The catalog's `Provider` keeps it alive, so a file is unmapped only after the last call into it has returned.
public final class ProviderModule: Sendable {
  public let path: String
  private nonisolated(unsafe) let handle: UnsafeMutableRawPointer

  /// Runs the file's constructors. `isUnloadable` false keeps it mapped for the life of the process.
  public init(path: String, isUnloadable: Bool) throws(Refusal) {
    self.path = path
    let flags = RTLD_NOW | RTLD_LOCAL | (isUnloadable ? 0 : RTLD_NODELETE)
    _ = dlerror()
    guard let handle = dlopen(path, flags) else {
      let reason = dlerror().map { String(cString: $0) } ?? "the dynamic linker gave no reason"
      throw Refusal(
        path: path, reason: .failedToLoad, detail: reason, remedy: "make the file loadable: ldd \(path) shows what it needs")
    }
    self.handle = handle
  }

  /// The last reference may go on a thread of the provider, inside a completion: unmapping the file there would leave that
  /// thread nothing to return to. So a thread of the host does it, and a provider's own threads are joined by its destructors.
  deinit {
    let closing = Closing(handle: handle)
    HostThreads.run { dlclose(closing.handle) }
  }

  private struct Closing: @unchecked Sendable {
    let handle: UnsafeMutableRawPointer
  }

  /// The address of a symbol that the file itself defines; one that only a library of its defines counts as missing.
  func address(of name: String) -> UnsafeMutableRawPointer? {
    guard let address = dlsym(handle, name) else { return nil }
    guard let base = nsp_module_base(handle), nsp_mapping_base(address) == base else { return nil }
    return address
  }

  /// The routine table that the file's exports amount to: version 1.0, entries that it lacks are NULL (nsp.md §5.1).
  public func exportedRoutines() -> NSPV2_ROUTINE {
    var table = NSPV2_ROUTINE()
    table.cbSize = UInt32(MemoryLayout<NSPV2_ROUTINE>.size)
    table.dwMajorVersion = 1
    table.dwMinorVersion = 0
    withUnsafeMutableBytes(of: &table) { bytes in
      for routine in ProviderRoutine.allCases {
        bytes.storeBytes(
          of: address(of: routine.exportedName), toByteOffset: RoutineTable.entryOffset(routine),
          as: UnsafeMutableRawPointer?.self)
      }
    }
    return table
  }
}
