import Foundation

/// The names of ports, as `/etc/services` has them. A file that is not there names none.
public struct Services: Sendable {
  public enum Transport: String, Sendable {
    case tcp
    case udp
  }

  private var names: [Transport: [UInt16: String]] = [.tcp: [:], .udp: [:]]

  /// - Parameter path: Read once, now.
  public init(path: String = "/etc/services") {
    self.init(text: String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self))
  }

  /// Lines of `name port/transport aliases # comment`; others are passed over. The first name of a port counts.
  public init(text: String) {
    for line in text.split(separator: "\n") {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
      guard words.count >= 2, case let place = words[1].split(separator: "/"), place.count == 2, let port = UInt16(place[0]),
        let transport = Transport(rawValue: String(place[1])), names[transport]?[port] == nil
      else { continue }
      names[transport]?[port] = String(words[0])
    }
  }

  func port(_ transport: Transport, named name: String) -> UInt16? {
    names[transport]?.filter { $0.value.lowercased() == name }.keys.min()
  }

  func name(_ transport: Transport, _ port: UInt16) -> String? { names[transport]?[port] }
  func ports(_ transport: Transport) -> [UInt16] { (names[transport] ?? [:]).keys.sorted() }
}
