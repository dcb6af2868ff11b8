/// The seven routines of `NSPV2_ROUTINE`, in table order (nsp.md §5.1).
public enum ProviderRoutine: Int, CaseIterable, Sendable {
  case startup
  case cleanup
  case lookupServiceBegin
  case lookupServiceNextEx
  case lookupServiceEnd
  case setServiceEx
  case clientSessionRundown

  /// The name without its prefix, as people read it.
  public var shortName: String {
    switch self {
    case .startup: "Startup"
    case .cleanup: "Cleanup"
    case .lookupServiceBegin: "LookupServiceBegin"
    case .lookupServiceNextEx: "LookupServiceNextEx"
    case .lookupServiceEnd: "LookupServiceEnd"
    case .setServiceEx: "SetServiceEx"
    case .clientSessionRundown: "ClientSessionRundown"
    }
  }

  public var exportedName: String { "NSPv2" + shortName }

  /// What makes a provider.
  public var isRequired: Bool {
    switch self {
    case .lookupServiceBegin, .lookupServiceNextEx, .lookupServiceEnd: true
    case .startup, .cleanup, .setServiceEx, .clientSessionRundown: false
    }
  }
}
