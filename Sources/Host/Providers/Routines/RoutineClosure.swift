import CFFI
import CWinsock

/// The arguments of a call of a closure, by their places.
struct RoutineArguments {
  fileprivate let slots: UnsafeMutablePointer<UnsafeMutableRawPointer?>

  func pointer(_ place: Int) -> UnsafeMutableRawPointer? { slots[place]!.load(as: UnsafeMutableRawPointer?.self) }
  func dword(_ place: Int) -> UInt32 { slots[place]!.load(as: UInt32.self) }
}

/// A C function with the signature of a routine, made while the program runs, that performs Swift code.
final class RoutineClosure: Sendable {
  /// Runs on the thread of whoever calls the function; its result is the routine's.
  typealias Performance = @Sendable (RoutineArguments) -> Int32

  /// What the closure's code can find while it runs.
  fileprivate final class Context: Sendable {
    let perform: Performance
    init(_ perform: @escaping Performance) { self.perform = perform }
  }

  private let context: Context
  private nonisolated(unsafe) let closure: UnsafeMutableRawPointer
  /// The function to put into a routine table; valid as long as this object lives.
  nonisolated(unsafe) let code: UnsafeMutableRawPointer

  /// Answers nil when the system gives no memory for another closure.
  init?(_ routine: ProviderRoutine, _ perform: @escaping Performance) {
    var code: UnsafeMutableRawPointer?
    guard let closure = ffi_closure_alloc(MemoryLayout<ffi_closure>.size, &code), let code else { return nil }
    context = Context(perform)
    self.closure = closure
    self.code = code
    // Retained here, released in `deinit`.
    let status = ffi_prep_closure_loc(
      closure.assumingMemoryBound(to: ffi_closure.self), RoutineSignature.prepared[routine.rawValue], performRoutine,
      Unmanaged.passRetained(context).toOpaque(), code)
    precondition(status == FFI_OK, "libffi refused a closure for a prepared signature")
  }

  deinit {
    ffi_closure_free(closure)
    // Retained in `init`; nothing can run the closure's code any more.
    Unmanaged.passUnretained(context).release()
  }
}

private func performRoutine(
  _: UnsafeMutablePointer<ffi_cif>?, result: UnsafeMutableRawPointer?,
  arguments: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, context: UnsafeMutableRawPointer?
) {
  guard let result, let arguments, let context else { return }
  // Borrowed from `RoutineClosure`, which outlives every call of its code.
  let closure = Unmanaged<RoutineClosure.Context>.fromOpaque(context).takeUnretainedValue()
  // libffi widens integer results to a register.
  result.storeBytes(of: ffi_sarg(closure.perform(RoutineArguments(slots: arguments))), as: ffi_sarg.self)
}
