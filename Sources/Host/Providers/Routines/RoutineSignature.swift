import CFFI

/// The C signature of a routine of `NSPV2_ROUTINE`: the one description that every closure of the host is made from
/// (nsp.md §5.1).
struct RoutineSignature: Sendable {
  enum Parameter: Sendable {
    case pointer
    case dword
    case int

    fileprivate var type: UnsafeMutablePointer<ffi_type>? {
      switch self {
      case .pointer: nsp_ffi_pointer()
      case .dword: nsp_ffi_dword()
      case .int: nsp_ffi_int()
      }
    }
  }

  let parameters: [Parameter]
  /// Where the routine reports through `WSAProviderCompleteAsyncCall`: the place of its `hAsyncCall`.
  let asyncHandlePosition: Int?

  /// Indexed by `ProviderRoutine.rawValue`.
  static let all: [RoutineSignature] = ProviderRoutine.allCases.map { routine in
    switch routine {
    case .startup: RoutineSignature(parameters: [.pointer, .pointer], asyncHandlePosition: nil)
    case .cleanup: RoutineSignature(parameters: [.pointer, .pointer], asyncHandlePosition: nil)
    case .lookupServiceBegin:
      RoutineSignature(parameters: [.pointer, .pointer, .dword, .pointer, .pointer], asyncHandlePosition: nil)
    case .lookupServiceNextEx:
      RoutineSignature(parameters: [.pointer, .pointer, .dword, .pointer, .pointer], asyncHandlePosition: 0)
    case .lookupServiceEnd: RoutineSignature(parameters: [.pointer], asyncHandlePosition: nil)
    case .setServiceEx:
      RoutineSignature(parameters: [.pointer, .pointer, .pointer, .int, .dword, .pointer], asyncHandlePosition: 0)
    case .clientSessionRundown: RoutineSignature(parameters: [.pointer, .pointer], asyncHandlePosition: nil)
    }
  }

  /// libffi's prepared form of every signature, made once and kept for the life of the process: closures point to them.
  /// A stub always leaves an `int` result, also for the three `VOID` routines: a caller that declares one of them `int`
  /// then reads the code, any other caller ignores the register (nsp.md §5.2).
  nonisolated(unsafe) static let prepared: [UnsafeMutablePointer<ffi_cif>] = all.map { signature in
    let types = UnsafeMutablePointer<UnsafeMutablePointer<ffi_type>?>.allocate(capacity: signature.parameters.count)
    for (index, parameter) in signature.parameters.enumerated() { types[index] = parameter.type }
    let interface = UnsafeMutablePointer<ffi_cif>.allocate(capacity: 1)
    let status = ffi_prep_cif(
      interface, nsp_ffi_default_abi(), UInt32(signature.parameters.count), nsp_ffi_int(), types)
    precondition(status == FFI_OK, "libffi refused a signature of the fixed table")
    return interface
  }
}
