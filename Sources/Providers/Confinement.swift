import TOMLKit

/// What a provider in a process of its own may do and take there. Nil: as much as the machine gives.
public struct Confinement: Hashable, Sendable {
  /// Besides what the process has before the provider's file is loaded, in bytes.
  public var memory: Int?
  /// Of processor time, in all.
  public var processorSeconds: Int?
  /// Besides those that the process has open before.
  public var descriptors: Int?
  /// Children; 0: none, and no other program.
  public var processes: Int?
  /// The name of the user to go on as.
  public var user: String?
  /// The folders and files that can be read; nothing can be written then.
  public var readable: [String]?
  /// What can be connected to: `tcp:PORT`, `tcp:*`, `udp:*`, `unix:*`, `unix:/PATH`.
  public var reachable: [String]?

  public init() {}

  /// The keys of manifests and of the configuration.
  public static let keys = [
    "memory-mb", "cpu-seconds", "descriptors", "processes", "user", "allow-read", "allow-connect",
  ]

  /// What a key's value must be, as people are told.
  public static func kind(of key: String) -> String {
    switch key {
    case "memory-mb", "cpu-seconds", "descriptors": "a number from 1"
    case "processes": "a number from 0"
    case "user": "the name of a user, in quotes"
    case "allow-read": "a list of absolute paths"
    default: "a list of \"tcp:PORT\", \"tcp:*\", \"udp:*\", \"unix:*\" or \"unix:/PATH\""
    }
  }

  /// Takes the value of one of the keys.
  /// - Returns: The value as people read it; nil for one that can't be.
  public mutating func take(_ key: String, _ value: any TOMLValueConvertible) -> String? {
    switch key {
    case "memory-mb":
      guard let number = Self.number(value, from: 1) else { return nil }
      memory = number << 20
      return String(number)
    case "cpu-seconds": return Self.number(value, from: 1, into: &processorSeconds)
    case "descriptors": return Self.number(value, from: 1, into: &descriptors)
    case "processes": return Self.number(value, from: 0, into: &processes)
    case "user":
      guard let name = value.string, !name.isEmpty, !name.hasPrefix("-") else { return nil }
      user = name
      return name
    case "allow-read": return Self.texts(value, into: &readable) { $0.hasPrefix("/") }
    case "allow-connect": return Self.texts(value, into: &reachable, where: Self.isRule)
    default: return nil
    }
  }

  private static func number(_ value: any TOMLValueConvertible, from least: Int) -> Int? {
    value.int.flatMap { (least...(1 << 30)).contains($0) ? $0 : nil }
  }

  private static func number(_ value: any TOMLValueConvertible, from least: Int, into place: inout Int?) -> String? {
    guard let given = number(value, from: least) else { return nil }
    place = given
    return String(given)
  }

  private static func texts(
    _ value: any TOMLValueConvertible, into place: inout [String]?, where isGood: (String) -> Bool
  ) -> String? {
    guard let array = value.array else { return nil }
    let given = array.compactMap(\.string)
    guard given.count == array.count, given.allSatisfy({ isGood($0) && !$0.utf8.contains(0) }) else { return nil }
    place = given
    return given.joined(separator: ", ")
  }

  private static func isRule(_ text: String) -> Bool {
    if ["tcp:*", "udp:*", "unix:*"].contains(text) || text.hasPrefix("unix:/") { return true }
    return text.hasPrefix("tcp:") && UInt16(text.dropFirst(4)).map { $0 > 0 } == true
  }

  /// What is said of the other one counts.
  public mutating func apply(_ other: Confinement) {
    memory = other.memory ?? memory
    processorSeconds = other.processorSeconds ?? processorSeconds
    descriptors = other.descriptors ?? descriptors
    processes = other.processes ?? processes
    user = other.user ?? user
    readable = other.readable ?? readable
    reachable = other.reachable ?? reachable
  }
}
