import CHostSocket

/// Where the host's socket may be, as CHostSocket knows it: the one place that does.
package struct HostPlaces: Sendable, Equatable {
  /// In the order in which a client tries them.
  package let paths: [String]
  /// Where a host listens.
  package let listener: String

  /// - Parameters:
  ///   - given: The path, where there is one that was named (`--socket`).
  ///   - configured: Where the host's configuration wants it to listen.
  package init(_ given: String? = nil, configured: String? = nil) {
    self = Self.with(given) { Self($0, configured) }
  }

  /// Where clients look for which nobody has named a place, `NSP_SOCKET` included.
  package static var unnamed: HostPlaces {
    var here = nsp_host_here()
    here.variable = nil
    var places = nsp_host_find(nil, here)
    return HostPlaces(&places, nil)
  }

  private init(_ places: UnsafePointer<nsp_host_places>, _ configured: String?) {
    paths = (0..<2).compactMap { index in nsp_host_place(places, index).map { String(cString: $0) } }
    listener =
      configured.map { $0.withCString { String(cString: nsp_host_listens_at(places, $0)) } }
      ?? String(cString: nsp_host_listens_at(places, nil))
  }

  /// The places that `given` and the environment lead to, for as long as `body` runs.
  static func with<Result>(_ given: String?, _ body: (UnsafePointer<nsp_host_places>) -> Result) -> Result {
    func run(_ given: UnsafePointer<CChar>?) -> Result {
      var places = nsp_host_find(given, nsp_host_here())
      return body(&places)
    }
    return given?.withCString { run($0) } ?? run(nil)
  }
}
