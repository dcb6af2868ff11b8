import Foundation
import Testing

@testable import Wire

/// Lists the fields of a message, for people.
private struct FieldList: FieldCoder {
  private(set) var parts: [String] = []
  private(set) var size = 0

  init(_ message: any WireMessage.Type) {
    var message = message.init()
    list(&message)
  }

  private mutating func list(_ message: inout some WireMessage) { _ = message.code(&self) }

  var text: String { parts.joined(separator: ", ") }

  private mutating func add(_ meaning: StaticString, _ count: Int) -> Bool {
    parts.append("\(meaning) (\(count))")
    size += count
    return true
  }

  mutating func field(_: inout UInt16, _ meaning: StaticString) -> Bool { add(meaning, 2) }
  mutating func field(_: inout UInt32, _ meaning: StaticString) -> Bool { add(meaning, 4) }
  mutating func field(_: inout UInt64, _ meaning: StaticString) -> Bool { add(meaning, 8) }
  mutating func field(_: inout WireID, _ meaning: StaticString) -> Bool { add(meaning, 16) }
  mutating func gap() -> Bool { add("0", 4) }

  mutating func rest(_ meaning: StaticString) -> Bool {
    parts.append("\(meaning)")
    return true
  }
}

@Suite struct MessageTests {
  private static let clientMessages: [any WireMessage.Type] = [
    HelloRequest.self, HelloAnswer.self, HelloRefusalAnswer.self, BeginRequest.self, LookupHandle.self, NextRequest.self,
    LookupRequest.self, LookupAnswer.self, SetServiceRequest.self, EnumerateAnswer.self, EnumeratedProvider.self,
    InstallRequest.self, UninstallRequest.self, EnableRequest.self, OrderRequest.self, CommandRequest.self,
    CommandAnswer.self, ClassNameRequest.self, ClassRequest.self, ClassInfoRequest.self, ClassNameAnswer.self,
    IoctlRequest.self, IoctlAnswer.self, CatalogChangeRequest.self, ResolveRequest.self, AskRequest.self, AskAnswer.self,
  ]
  private static let servingMessages: [any WireMessage.Type] = [
    AdvertiseRequest.self, UnadvertiseRequest.self, CallCompletion.self, ChangeReport.self, LogLine.self, WorkerNoteRequest.self,
  ]
  private static let providerMessages: [any WireMessage.Type] = [
    StartupCall.self, StartupAnswer.self, SessionEndCall.self, BeginCall.self, BeginAnswer.self, NextCall.self, EndCall.self,
    SetServiceCall.self, ClassCall.self, IoctlCall.self, OutcomeFields.self,
  ]
  private static let all = clientMessages + servingMessages + providerMessages

  private func written(_ message: some WireMessage) -> [UInt8] {
    var frame = FrameWriter(0, request: 0)
    message.write(to: &frame)
    return Array(frame.bytes[FrameHeader.size...])
  }

  private func read<Message: WireMessage>(_ type: Message.Type, _ bytes: [UInt8]) -> Message? {
    bytes.withUnsafeBytes { Message($0) }
  }

  private func check<Message: WireMessage>(_ type: Message.Type, _ generator: inout some RandomNumberGenerator) {
    let list = FieldList(type)
    var readable = 0
    for round in 0..<200 {
      // Small numbers, too: some fields have bounds.
      let bytes = (0..<list.size).map { _ in
        round % 2 == 0 ? UInt8.random(in: 0...255, using: &generator) : UInt8(round % 3 == 0 ? 0 : 8)
      }
      guard let message = read(type, bytes) else { continue }
      readable += 1
      let first = written(message)
      #expect(first.count == list.size, "\(type) is written as it is read")
      #expect(read(type, first).map(written) == first, "\(type) is what it was")
      var place = [UInt8](repeating: 0, count: FrameHeader.size + list.size + 8)
      place.withUnsafeMutableBytes { #expect(message.write(frame: $0, request: 9) == FrameHeader.size + list.size) }
      #expect(Array(place[FrameHeader.size..<FrameHeader.size + list.size]) == first, "\(type) is written in place alike")
      #expect(place.withUnsafeBytes { FrameHeader($0)?.kind } == Message.kind)
      // All that is behind the fields is somebody else's.
      #expect(read(type, first + [1, 2, 3]).map(written) == first)
      for length in 0..<first.count where !(type == HelloAnswer.self && length >= 16) {
        #expect(read(type, Array(first.prefix(length))) == nil, "\(type) in \(length) bytes")
      }
    }
    #expect(readable > 0, "\(type)")
  }

  @Test("every message that is written reads as what it was; cut short, it is refused")
  func roundTrip() {
    var generator = SystemRandomNumberGenerator()
    for type in Self.all { check(type, &generator) }
  }

  @Test("records that are too large, and classes at odd places, are refused")
  func bounds() {
    var next = NextCall()
    next.room = NextCall.mostRoom
    #expect(read(NextCall.self, written(next)) != nil)
    next.room += 1
    #expect(read(NextCall.self, written(next)) == nil)
    var begin = BeginCall()
    begin.serviceClass.size = 12
    #expect(read(BeginCall.self, written(begin)) == nil)
    begin.serviceClass.size = 16
    #expect(read(BeginCall.self, written(begin)) != nil)
  }

  @Test("docs/wire.md says of every message what the code says")
  func document() throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "docs/wire.md")
    let document = try String(contentsOf: path, encoding: .utf8)
    for type in Self.all {
      let text = FieldList(type).text
      #expect(document.contains(text), "\(type), kind \(type.kind): \(text)")
    }
  }
}
