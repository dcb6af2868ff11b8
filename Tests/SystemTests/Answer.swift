/// What a lookup prints with --json.
struct Answer: Decodable, Sendable {
  struct Record: Decodable, Sendable { var name: String?, address: String?, comment: String?, blob: String? }
  struct Asked: Decodable, Sendable { var tookUs: Int? }
  var results: [Record], asked: [Asked]

  var names: [String] { results.compactMap(\.name) }

  var addresses: [String] { results.compactMap(\.address) }

  /// That of the first record that has one.
  var blob: String? { results.compactMap(\.blob).first }
}
