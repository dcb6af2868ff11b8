import CAres

/// The answer section of a message as it came from a server, which may say anything: whoever reads it gets values, or nil.
struct Message {
  /// The name that was asked for, written as those of the answers are.
  let question: String
  /// Those of the Internet's class, in order.
  let answers: [Resolver.Record]

  init?(_ packet: [UInt8]) {
    var message = ns_msg()
    let found: (String, [Resolver.Record])? = packet.withUnsafeBufferPointer { bytes in
      guard ns_initparse(bytes.baseAddress, Int32(bytes.count), &message) == 0 else { return nil }
      var question = ns_rr()
      guard ns_parserr(&message, ns_s_qd, 0, &question) == 0 else { return nil }
      // The counts of the four sections, in the order of the header.
      let count = message._counts.1
      var answers: [Resolver.Record] = []
      for number in 0..<Int32(count) {
        var record = ns_rr()
        guard ns_parserr(&message, ns_s_an, number, &record) == 0 else { return nil }
        guard record.rr_class == UInt16(ns_c_in.rawValue) else { continue }
        guard let answer = Resolver.Record(record, in: bytes) else { return nil }
        answers.append(answer)
      }
      return (question.owner, answers)
    }
    guard let found else { return nil }
    (question, answers) = found
  }
}

extension ns_rr {
  fileprivate var owner: String { withUnsafeBytes(of: name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) } }
}

extension Resolver.Record {
  fileprivate init?(_ record: ns_rr, in message: UnsafeBufferPointer<UInt8>) {
    owner = record.owner
    type = Resolver.RecordType(rawValue: record.type)
    // What is beyond 31 bits counts as 0 (RFC 2181, 8).
    timeToLive = record.ttl > UInt32(Int32.max) ? 0 : record.ttl
    guard let start = record.rdata, let base = message.baseAddress else { return nil }
    var reader = RecordReader(message, from: start - base, length: Int(record.rdlength))
    guard let data = reader.data(of: type), let bytes = RecordReader.uncompressed(reader, type) else { return nil }
    (self.data, self.bytes) = (data, bytes)
  }
}

/// Reads the data of one record, and nothing behind its end.
private struct RecordReader {
  private let message: UnsafeBufferPointer<UInt8>
  private let start: Int
  private let end: Int
  private var position: Int

  init(_ message: UnsafeBufferPointer<UInt8>, from start: Int, length: Int) {
    (self.message, self.start, end, position) = (message, start, start + length, start)
  }

  mutating func data(of type: Resolver.RecordType) -> Resolver.Record.Data? {
    defer { position = start }
    switch type {
    case .a: return end - start == 4 ? .address(Array(message[start..<end])) : nil
    case .aaaa: return end - start == 16 ? .address(Array(message[start..<end])) : nil
    case .ns, .cname, .ptr: return lastName().map { .name($0) }
    case .mx:
      guard let preference = number(), let exchange = lastName() else { return nil }
      return .mail(preference: preference, exchange: exchange)
    case .srv:
      guard let priority = number(), let weight = number(), let port = number(), let target = lastName() else { return nil }
      return .service(priority: priority, weight: weight, port: port, target: target)
    case .txt:
      var strings: [[UInt8]] = []
      while position < end {
        let length = Int(message[position])
        guard let string = take(1 + length) else { return nil }
        strings.append(Array(string.dropFirst()))
      }
      return strings.isEmpty ? nil : .text(strings)
    default: return Self.uncompressed(self, type).map { .other($0) }
    }
  }

  /// The types whose names servers may compress: how many bytes come before the names, and how many names (RFC 1035, 3597).
  private static let layouts: [UInt16: (prefix: Int, names: Int)] = [
    2: (0, 1), 3: (0, 1), 4: (0, 1), 5: (0, 1), 6: (0, 2), 7: (0, 1), 8: (0, 1), 9: (0, 1), 12: (0, 1), 14: (0, 2), 15: (2, 1),
    17: (0, 2), 18: (2, 1), 21: (2, 1), 26: (2, 2), 33: (6, 1),
  ]

  /// The record's data with its names spelled out, so that it can be read without the message.
  static func uncompressed(_ reader: RecordReader, _ type: Resolver.RecordType) -> [UInt8]? {
    var reader = reader
    guard let layout = layouts[type.rawValue] else { return Array(reader.message[reader.start..<reader.end]) }
    guard let prefix = reader.take(layout.prefix) else { return nil }
    var bytes = Array(prefix)
    for _ in 0..<layout.names {
      guard let name = reader.name() else { return nil }
      bytes += name.bytes
    }
    return bytes + reader.message[reader.position..<reader.end]
  }

  private mutating func take(_ count: Int) -> Slice<UnsafeBufferPointer<UInt8>>? {
    guard count <= end - position else { return nil }
    defer { position += count }
    return message[position..<position + count]
  }

  private mutating func number() -> UInt16? {
    take(2).map { UInt16($0[$0.startIndex]) << 8 | UInt16($0[$0.startIndex + 1]) }
  }

  /// A name with which the data ends.
  private mutating func lastName() -> String? {
    guard let name = name(), position == end else { return nil }
    return name.text
  }

  private mutating func name() -> (bytes: [UInt8], text: String)? {
    guard position < end, let base = message.baseAddress else { return nil }
    var bytes = [UInt8](repeating: 0, count: Int(NS_MAXCDNAME))
    var text = [CChar](repeating: 0, count: Int(NS_MAXDNAME))
    let used = ns_name_unpack(base, base + message.count, base + position, &bytes, bytes.count)
    // It follows pointers through the whole message; what it has used here must be the record's own.
    guard used > 0, Int(used) <= end - position, ns_name_ntop(bytes, &text, text.count) >= 0 else { return nil }
    position += Int(used)
    var length = 0
    while bytes[length] != 0 { length += 1 + Int(bytes[length]) }
    return (Array(bytes[...length]), String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }
}
