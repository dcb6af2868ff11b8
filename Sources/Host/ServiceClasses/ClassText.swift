import BoundedTOML
import CWinsock
import QuerySets
import TOMLKit

/// Service classes as people write and read them.
extension ServiceClass.ValueType {
  private static let names: [(name: String, type: ServiceClass.ValueType)] = [
    ("dword", .dword), ("qword", .qword), ("string", .string), ("expand-string", .expandString), ("strings", .strings),
    ("binary", .binary), ("none", .none),
  ]

  /// A name, or the number of a type that has none.
  public init?(_ text: String) {
    guard let type = Self.names.first(where: { $0.name == text })?.type ?? UInt32(text).map(Self.init(rawValue:)) else {
      return nil
    }
    self = type
  }

  public var name: String { Self.names.first { $0.type == self }?.name ?? String(rawValue) }
}

extension ServiceClass.Entry {
  /// A value as its type has it; bytes that are not of their type are bytes.
  public enum Reading: Hashable, Sendable {
    case number(UInt64)
    case text(String)
    case texts([String])
    case bytes([UInt8])
  }

  public var reading: Reading {
    switch type {
    case .dword where value.count == 4: return .number(UInt64(value.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }))
    case .qword where value.count == 8: return .number(value.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    case .string, .expandString:
      guard let texts = Self.texts(value), texts.count == 1 else { return .bytes(value) }
      return .text(texts[0])
    case .strings:
      guard let texts = Self.texts(value), texts.last == "" else { return .bytes(value) }
      return .texts(Array(texts.dropLast()))
    default: return .bytes(value)
    }
  }

  /// Texts of UTF-16, each with its NUL; nil for anything else.
  private static func texts(_ bytes: [UInt8]) -> [String]? {
    guard bytes.count % 2 == 0 else { return nil }
    let units = bytes.withUnsafeBytes { raw in
      stride(from: 0, to: raw.count, by: 2).map { raw.loadUnaligned(fromByteOffset: $0, as: UInt16.self) }
    }
    guard units.last == 0 else { return nil }
    let parts = units.dropLast().split(separator: 0, omittingEmptySubsequences: false)
    let texts = parts.compactMap { String(validating: $0, as: UTF16.self) }
    return texts.count == parts.count ? texts : nil
  }

  static func bytes(of texts: [String]) -> [UInt8] {
    texts.flatMap { Array($0.utf16) + [0] }.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
  }

  /// On one line.
  public var text: String {
    switch reading {
    case .number(let number): String(number)
    case .text(let text): Self.quoted(text)
    case .texts(let texts): texts.map(Self.quoted).joined(separator: ", ")
    case .bytes(let bytes): bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }
  }

  private static func quoted(_ text: String) -> String {
    "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : $0.isNewline ? "\\n" : String($0) }.joined() + "\""
  }
}

/// Classes in a TOML file: `[[class]]` with `name`, `id` and `[[class.values]]`, each with `name`, `namespace`, `type` and `value`.
public struct ClassFile: Sendable {
  public struct Defect: Error, Sendable, Equatable {
    public var detail: String
    public var remedy: String
  }

  public let classes: [ServiceClass]

  /// - Parameter path: For what is said of it.
  public init(toml text: String, path: String) throws(Defect) {
    let table: TOMLTable
    // The reader of TOML would end a text there, without a word.
    guard !text.contains("\\u0000"), !text.contains("\\U00000000") else {
      throw Defect(detail: "\(path) has a NUL in a text", remedy: "leave it out: texts are ended by one anyway")
    }
    do throws(Problem) { table = try BoundedTOML.table(text, path: path) } catch {
      throw Defect(detail: error.line, remedy: error.help)
    }
    if let unknown = table.keys.first(where: { $0 != "class" }) {
      throw Defect(detail: "\(path) has an unknown key \"\(unknown)\"", remedy: "begin each class with [[class]]")
    }
    guard let list = table["class"]?.array, !list.isEmpty else {
      throw Defect(detail: "\(path) has no class", remedy: "begin each class with [[class]]")
    }
    var classes: [ServiceClass] = []
    for (index, value) in list.enumerated() { classes.append(try Self.read(value, "\(path): class \(index + 1)")) }
    for (index, one) in classes.enumerated() {
      guard let first = classes[..<index].first(where: { $0.id == one.id }) else { continue }
      throw Defect(detail: "\(path): \(first.name) and \(one.name) have the same id", remedy: "give each class an id of its own")
    }
    self.classes = classes
  }

  private static func table(_ value: any TOMLValueConvertible, _ keys: [String], _ place: String) throws(Defect) -> TOMLTable {
    guard let table = value.table else { throw Defect(detail: "\(place) is not a table", remedy: "write it as a table") }
    if let unknown = table.keys.first(where: { !keys.contains($0) }) {
      throw Defect(detail: "\(place) has an unknown key \"\(unknown)\"", remedy: "known are \(keys.joined(separator: ", "))")
    }
    return table
  }

  private static func read(_ value: any TOMLValueConvertible, _ place: String) throws(Defect) -> ServiceClass {
    let table = try table(value, ["name", "id", "values"], place)
    guard let name = table["name"]?.string, !name.isEmpty else {
      throw Defect(detail: "\(place) has no name", remedy: "give it name = \"…\"")
    }
    guard let id = table["id"]?.string.flatMap({ GUID($0) }) else {
      throw Defect(detail: "\(place) (\(name)) has no id, or one that is no GUID", remedy: "give it the id that uuidgen prints")
    }
    var new = ServiceClass(id: id, name: name)
    guard table["values"] == nil || table["values"]?.array != nil else {
      throw Defect(detail: "\(place) (\(name)): values is not a list", remedy: "begin each value with [[class.values]]")
    }
    for (index, entry) in (table["values"]?.array.map(Array.init) ?? []).enumerated() {
      new.entries.append(try self.entry(entry, "\(place) (\(name)), value \(index + 1)"))
    }
    do throws(QuerySetError) { try new.check() } catch {
      throw Defect(detail: "\(place) (\(name)): \(error)", remedy: "correct it there")
    }
    return new
  }

  private static func entry(_ value: any TOMLValueConvertible, _ place: String) throws(Defect) -> ServiceClass.Entry {
    let table = try table(value, ["name", "namespace", "type", "value"], place)
    guard let name = table["name"]?.string, !name.isEmpty else {
      throw Defect(detail: "\(place) has no name", remedy: "give it a name such as \"TcpPort\"")
    }
    let space =
      table["namespace"]?.string.flatMap { NameSpace($0) }
      ?? table["namespace"]?.int.flatMap { UInt32(exactly: $0) }
      .map(NameSpace.init(rawValue:))
    guard let space else {
      throw Defect(detail: "\(place) (\(name)) has no name space", remedy: "give it a name such as \"dns\", or a number")
    }
    let type =
      table["type"]?.string.flatMap { ServiceClass.ValueType($0) }
      ?? table["type"]?.int.flatMap { UInt32(exactly: $0) }
      .map(ServiceClass.ValueType.init(rawValue:))
    guard let type else {
      throw Defect(
        detail: "\(place) (\(name)) has no type, or one that is unknown",
        remedy: "write dword, qword, string, expand-string, strings, binary, none or a number")
    }
    guard let bytes = bytes(table["value"], of: type) else {
      throw Defect(detail: "\(place) (\(name)): its value is no \(type.name)", remedy: "write it as \(form(of: type))")
    }
    return ServiceClass.Entry(name: name, nameSpace: space, type: type, value: bytes)
  }

  private static func form(of type: ServiceClass.ValueType) -> String {
    switch type {
    case .dword: "a number from 0 to 4294967295"
    case .qword: "a number from 0"
    case .string, .expandString: "text in quotes"
    case .strings: "a list of texts, none of them empty"
    default: "bytes in hexadecimal digits, such as \"0a 1b\""
    }
  }

  private static func bytes(_ value: (any TOMLValueConvertible)?, of type: ServiceClass.ValueType) -> [UInt8]? {
    switch type {
    case .dword: return value?.int.flatMap { UInt32(exactly: $0) }.map { number in withUnsafeBytes(of: number) { Array($0) } }
    case .qword: return value?.int.flatMap { UInt64(exactly: $0) }.map { number in withUnsafeBytes(of: number) { Array($0) } }
    case .string, .expandString:
      guard let text = value?.string, !text.utf8.contains(0) else { return nil }
      return ServiceClass.Entry.bytes(of: [text])
    case .strings:
      guard let array = value?.array else { return nil }
      let texts = array.compactMap(\.string)
      guard texts.count == array.count, texts.allSatisfy({ !$0.isEmpty && !$0.utf8.contains(0) }) else { return nil }
      return ServiceClass.Entry.bytes(of: texts + [""])
    default:
      guard let value else { return [] }
      guard let digits = value.string?.filter({ !$0.isWhitespace }), digits.utf8.count % 2 == 0, digits.allSatisfy(\.isHexDigit)
      else { return nil }
      let all = Array(digits.utf8)
      let bytes = stride(from: 0, to: all.count, by: 2).compactMap { index in
        UInt8(String(decoding: all[index...index + 1], as: UTF8.self), radix: 16)
      }
      return bytes.count * 2 == all.count ? bytes : nil
    }
  }
}
