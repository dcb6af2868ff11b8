import Resolver

/// A service of e-mail, and how a domain says in the Domain Name System where it is.
struct MailService: Sendable, Equatable {
  enum Question: Sendable, Equatable {
    /// SRV records of a label over TCP (RFC 6186, RFC 8314, RFC 8620).
    case service(label: String)
    /// MX records, and where there are none, the domain itself (RFC 5321).
    case mail
  }

  /// The context of its records.
  let name: String
  let question: Question

  private init(_ name: String) { (self.name, question) = (name, name == "smtp" ? .mail : .service(label: "_\(name)._tcp")) }

  /// The services that a query asks for, in the order of its records: what speaks TLS from the first byte goes before what changes to it
  /// later. Empty for a service that is none of e-mail.
  static func asked(_ service: Service) -> [MailService] { names(service.key).map(MailService.init) }

  private static func names(_ key: String) -> [String] {
    switch key {
    case "": ["submission", "imap", "jmap", "smtp"].flatMap(names)
    case "submission", "imap", "pop3": [key + "s", key]
    case "submissions", "imaps", "pop3s", "jmap", "sieve", "smtp": [key]
    case "mx": ["smtp"]
    default: []
    }
  }

  /// The port of SMTP between domains.
  static let mailPort: UInt16 = 25
}

/// Where a domain says that a service is.
struct Offer: Hashable, Sendable {
  /// Lower ones are tried first.
  var priority: UInt16
  /// Among equals, how often one goes before the others.
  var weight: UInt16
  var port: UInt16
  var target: String
  /// Of the record that says so; nil where none does, and the domain stands for itself.
  var type: Resolver.RecordType?
  /// Seconds.
  var timeToLive: UInt32

  /// In the order in which a client is to try them (RFC 2782): by priority, and among equals by chance, according to their weights.
  static func ordered(_ offers: [Offer], using generator: inout some RandomNumberGenerator) -> [Offer] {
    var ordered: [Offer] = []
    // Those without weight stand first, so that chance finds them only where it comes to nothing.
    var left = offers.sorted { ($0.priority, $0.weight) < ($1.priority, $1.weight) }
    while let priority = left.first?.priority {
      let equals = left.prefix { $0.priority == priority }
      var chance = Int.random(in: 0...equals.reduce(0) { $0 + Int($1.weight) }, using: &generator)
      let chosen = equals.firstIndex { offer in
        chance -= Int(offer.weight)
        return chance <= 0
      }
      ordered.append(left.remove(at: chosen ?? equals.startIndex))
    }
    return ordered
  }
}
