import CProvider
import CWinsock
import NSPProvider
import QuerySets

final class NSSBridge: NameSpaceProvider {
  init(_ settings: Settings) throws(WinsockError) {}

  func lookup(_ query: Query, for session: (any ProviderSession)?) throws(WinsockError) -> Answer { throw .serviceNotFound }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func nsp_provider_create(_ lpProviderId: LPGUID?, _ lpiError: LPINT?) -> LPVOID? {
  ProviderBox.retained(lpProviderId, lpiError) { settings throws(WinsockError) in try NSSBridge(settings) }
}
