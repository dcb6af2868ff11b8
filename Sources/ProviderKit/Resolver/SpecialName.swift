extension Resolver {
  /// Names that no server is asked for, neither as they are nor with a search domain behind them.
  enum SpecialName: Equatable {
    /// `localhost` and every name below it: this machine (RFC 6761, 6.3).
    case loopback
    /// A name below `onion`, which only Tor knows (RFC 7686).
    case onion
    /// `onion` itself. A host may have this name in a search domain.
    case onionTop

    /// Nil for every other name.
    init?(_ name: String) {
      var labels = Self.labels(name)
      if labels.last?.isEmpty == true { labels.removeLast() }
      switch labels.last {
      case Array("localhost".utf8)?: self = .loopback
      case Array("onion".utf8)?: self = labels.count > 1 ? .onion : .onionTop
      default: return nil
      }
    }

    /// In lower case, with escapes as the bytes that they stand for (RFC 1035, 5.1): what is sent is compared, not how it is written.
    private static func labels(_ name: String) -> [[UInt8]] {
      var labels: [[UInt8]] = [[]]
      var rest = Array(name.utf8)[...]
      while let byte = rest.popFirst() {
        if byte == UInt8(ascii: ".") {
          labels.append([])
          continue
        }
        var meant = byte
        if byte == UInt8(ascii: "\\") {
          let digits = rest.prefix(3)
          let number = digits.count == 3 ? UInt8(String(decoding: digits, as: UTF8.self)) : nil
          meant = number ?? rest.first ?? byte
          rest = rest.dropFirst(number != nil ? 3 : 1)
        }
        labels[labels.count - 1].append((65...90).contains(meant) ? meant + 32 : meant)
      }
      return labels
    }

    /// What a name of this kind has of a type, without a server.
    /// - Parameter chain: The way to it.
    func outcome(_ name: String, _ type: RecordType, chain: [Record] = []) -> Result<Reply, Failure> {
      guard self == .loopback else { return .failure(.noSuchName) }
      let owner = name.utf8.last == UInt8(ascii: ".") ? String(name.unicodeScalars.dropLast()) : name
      let records = Self.loopbacks.filter { type == $0.0 || type == .any }.map { own, bytes in
        Record(owner: owner, type: own, timeToLive: Self.timeToLive, data: .address(bytes), bytes: bytes)
      }
      return records.isEmpty ? .failure(.noData) : .success(Reply(records: records, chain: chain, canonicalName: owner))
    }

    /// It never changes.
    private static let timeToLive: UInt32 = 86_400
    private static let loopbacks: [(RecordType, [UInt8])] = [
      (.a, [127, 0, 0, 1]), (.aaaa, [UInt8](repeating: 0, count: 15) + [1]),
    ]
  }
}
