import CWinsock
import Foundation
import ModuleRegistrar
import Rundown
import Synchronization

/// What happened, in order, over all modules of a test: lines such as "c1.attach p1".
final class Journal: Sendable {
  private let lines = Locked<[String]>([])

  func note(_ line: String) { lines.withLock { $0.append(line) } }
  func count(_ line: String) -> Int { lines.withLock { $0.count { $0 == line } } }
  func clear() { lines.withLock { $0 = [] } }
  var events: [String] { lines.withLock { $0 } }
  /// What callbacks with a NULL context write into: they can't find their own.
  static let ofNobody = Journal()
}

/// A module that keeps a journal of its callbacks, and does in each what the test has told it to.
final class TestModule: @unchecked Sendable {
  // Unchecked: a test sets a module up before it registers it, and what changes later is locked.
  let name: String
  let role: ModuleRole
  let registrar: ModuleRegistrar
  let journal: Journal
  let client = UnsafeMutablePointer<NPI_CLIENT_CHARACTERISTICS>.allocate(capacity: 1)
  let provider = UnsafeMutablePointer<NPI_PROVIDER_CHARACTERISTICS>.allocate(capacity: 1)
  let npi = UnsafeMutablePointer<NPIID>.allocate(capacity: 1)
  let moduleID = UnsafeMutablePointer<NPI_MODULEID>.allocate(capacity: 1)

  /// What an attach callback does; the default attaches.
  var onOffer: (Offer) -> NTStatus = { $0.accept() }
  var onDetach: (Attachment) -> NTStatus = { _ in .success }
  var onCleanup: (Attachment) -> Void = { _ in }
  var dispatch = UnsafeRawPointer(bitPattern: 2)
  var givesNullContext = false

  private struct State {
    var handle: ModuleHandle?
    var attachments: [Attachment] = []
  }
  private let state = Locked<State>(State())

  init(
    _ role: ModuleRole, _ name: String, _ registrar: ModuleRegistrar, _ journal: Journal, npi number: UInt32 = 7
  ) {
    self.role = role
    self.name = name
    self.registrar = registrar
    self.journal = journal
    npi.initialize(to: NPIID(Data1: number, Data2: 0, Data3: 0, Data4: (0, 0, 0, 0, 0, 0, 0, 0)))
    moduleID.initialize(to: NPI_MODULEID())
    moduleID.pointee.Length = UInt16(MemoryLayout<NPI_MODULEID>.size)
    moduleID.pointee.Type = MIT_GUID
    var instance = NPI_REGISTRATION_INSTANCE()
    instance.Size = UInt16(MemoryLayout<NPI_REGISTRATION_INSTANCE>.size)
    instance.NpiId = UnsafePointer(npi)
    instance.ModuleId = UnsafePointer(moduleID)
    client.initialize(
      to: NPI_CLIENT_CHARACTERISTICS(
        Version: 0, Length: UInt16(MemoryLayout<NPI_CLIENT_CHARACTERISTICS>.size),
        ClientAttachProvider: { binding, context, instance in
          TestModule.at(context).offered(binding, instance, peerContext: nil, peerDispatch: nil, nil, nil)
        },
        ClientDetachProvider: { TestModule.detach($0) }, ClientCleanupBindingContext: { TestModule.cleanUp($0) },
        ClientRegistrationInstance: instance))
    provider.initialize(
      to: NPI_PROVIDER_CHARACTERISTICS(
        Version: 0, Length: UInt16(MemoryLayout<NPI_PROVIDER_CHARACTERISTICS>.size),
        ProviderAttachClient: { binding, context, instance, peerContext, peerDispatch, contextOut, dispatchOut in
          TestModule.at(context).offered(
            binding, instance, peerContext: peerContext, peerDispatch: peerDispatch, contextOut, dispatchOut)
        },
        ProviderDetachClient: { TestModule.detach($0) }, ProviderCleanupBindingContext: { TestModule.cleanUp($0) },
        ProviderRegistrationInstance: instance))
  }

  deinit {
    client.deallocate()
    provider.deallocate()
    npi.deallocate()
    moduleID.deallocate()
  }

  var handle: ModuleHandle { state.withLock { $0.handle } ?? ModuleHandle(rawValue: 0) }
  var attachments: [Attachment] { state.withLock { $0.attachments } }
  var instance: UnsafePointer<NPI_REGISTRATION_INSTANCE> {
    role == .client
      ? UnsafePointer(client).pointer(to: \.ClientRegistrationInstance)!
      : UnsafePointer(provider).pointer(to: \.ProviderRegistrationInstance)!
  }

  // MARK: What a test does with it

  @discardableResult
  func register() -> NTStatus {
    // Not retained: the test keeps the module until it is deregistered.
    let context = Unmanaged.passUnretained(self).toOpaque()
    do throws(NTStatus) {
      switch role {
      case .client:
        try registrar.registerClient(client, context: context) { handle in self.state.withLock { $0.handle = handle } }
      case .provider:
        try registrar.registerProvider(provider, context: context) { handle in self.state.withLock { $0.handle = handle } }
      }
      return .success
    } catch {
      return error
    }
  }

  /// Nil when accepted and not finished; `success` when everything is done.
  @discardableResult
  func deregister() -> NTStatus {
    do throws(NTStatus) { return try registrar.deregister(handle, role: role) ? .success : .pending } catch { return error }
  }

  @discardableResult
  func wait() -> NTStatus {
    do throws(NTStatus) {
      try registrar.waitForDeregistration(handle, role: role)
      return .success
    } catch {
      return error
    }
  }

  func complete(_ attachment: Attachment) { registrar.detachComplete(attachment.binding, role: role) }

  // MARK: Callbacks

  /// The chance to attach that an attach callback is.
  struct Offer {
    let module: TestModule
    let binding: ModuleHandle
    let peer: UnsafePointer<NPI_REGISTRATION_INSTANCE>
    let peerContext: UnsafeMutableRawPointer?
    let peerDispatch: UnsafeRawPointer?
    let contextOut: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    let dispatchOut: UnsafeMutablePointer<UnsafeRawPointer?>?

    /// Attaches: a client calls the registrar, a provider hands its context and table out.
    func accept() -> NTStatus { module.accept(self) }
  }

  /// One binding as a module sees it: its binding context.
  final class Attachment: @unchecked Sendable {
    let module: TestModule
    let binding: ModuleHandle
    /// What the other side gave.
    var peerContext: UnsafeMutableRawPointer?
    var peerDispatch: UnsafeRawPointer?
    let cleanups = Atomic<Int>(0)

    init(_ module: TestModule, _ binding: ModuleHandle) {
      self.module = module
      self.binding = binding
    }

    var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
  }

  private static func at(_ context: UnsafeMutableRawPointer?) -> TestModule {
    Unmanaged<TestModule>.fromOpaque(context!).takeUnretainedValue()
  }

  private func offered(
    _ binding: HANDLE?, _ peer: PNPI_REGISTRATION_INSTANCE?, peerContext: UnsafeMutableRawPointer?,
    peerDispatch: UnsafeRawPointer?,
    _ contextOut: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ dispatchOut: UnsafeMutablePointer<UnsafeRawPointer?>?
  ) -> NTSTATUS {
    journal.note("\(name).attach")
    return onOffer(
      Offer(
        module: self, binding: ModuleHandle(binding), peer: peer!, peerContext: peerContext, peerDispatch: peerDispatch,
        contextOut: contextOut, dispatchOut: dispatchOut)
    ).rawValue
  }

  private func accept(_ offer: Offer) -> NTStatus {
    let attachment = Attachment(self, offer.binding)
    state.withLock { $0.attachments.append(attachment) }
    let context = givesNullContext ? nil : attachment.context
    switch role {
    case .client:
      let status = registrar.attachProvider(offer.binding, clientContext: context, clientDispatch: dispatch) {
        attachment.peerContext = $0
        attachment.peerDispatch = $1
      }
      if status != .success { state.withLock { $0.attachments.removeAll { $0 === attachment } } }
      return status
    case .provider:
      attachment.peerContext = offer.peerContext
      attachment.peerDispatch = offer.peerDispatch
      offer.contextOut?.pointee = context
      offer.dispatchOut?.pointee = dispatch
      return .success
    }
  }

  private static func detach(_ context: UnsafeMutableRawPointer?) -> NTSTATUS {
    guard let context else {
      Journal.ofNobody.note("detach")
      return STATUS_SUCCESS
    }
    let attachment = Unmanaged<Attachment>.fromOpaque(context).takeUnretainedValue()
    attachment.module.journal.note("\(attachment.module.name).detach")
    return attachment.module.onDetach(attachment).rawValue
  }

  private static func cleanUp(_ context: UnsafeMutableRawPointer?) {
    guard let context else { return Journal.ofNobody.note("cleanup") }
    let attachment = Unmanaged<Attachment>.fromOpaque(context).takeUnretainedValue()
    attachment.cleanups.add(1, ordering: .relaxed)
    attachment.module.journal.note("\(attachment.module.name).cleanup")
    attachment.module.onCleanup(attachment)
  }
}
