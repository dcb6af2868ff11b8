import CLDNS
import QuerySets
import Resolver

/// A message to the server of updates as ldns writes it, and what the answer to it says. All of ldns is here.
final class UpdateMessage {
  let bytes: [UInt8]
  private let packet: UnsafeMutablePointer<ldns_pkt>
  private let key: UpdateKey?

  /// Seconds that two clocks may differ by.
  private static let fudge: UInt16 = 300

  /// Makes changes where the prerequisites hold, and none where one does not.
  static func update(
    _ update: Update, where prerequisites: [Update.Prerequisite], _ settings: UpdateSettings, _ key: UpdateKey?
  ) throws(UpdateFailure) -> UpdateMessage {
    let conditions = List()
    let changes = List()
    for prerequisite in prerequisites {
      switch prerequisite {
      case .noAlias: try conditions.append(update.name, LDNS_RR_TYPE_CNAME, LDNS_RR_CLASS_NONE)
      case .has(let type): try conditions.append(update.name, type.ldns, LDNS_RR_CLASS_ANY)
      }
    }
    for change in update.changes {
      switch change {
      case .remove(let type): try changes.append(update.name, type.ldns, LDNS_RR_CLASS_ANY)
      case .removeOne(let type, let data): try changes.append(update.name, type.ldns, LDNS_RR_CLASS_NONE, data)
      case .add(let type, let data):
        try changes.append(update.name, type.ldns, LDNS_RR_CLASS_IN, data, timeToLive: settings.timeToLive)
      }
    }
    let zone = try name(settings.zone)
    // The packet takes over the zone's name and copies the lists.
    guard let packet = ldns_update_pkt_new(zone, LDNS_RR_CLASS_IN, conditions.list, changes.list, nil) else {
      ldns_rdf_deep_free(zone)
      throw .unwritable("no memory")
    }
    return try UpdateMessage(packet, key)
  }

  /// Asks for the records of a type that a name has.
  static func question(_ asked: String, _ type: Resolver.RecordType, _ key: UpdateKey?) throws(UpdateFailure) -> UpdateMessage {
    let owner = try name(asked)
    // The packet takes over the name.
    guard let packet = ldns_pkt_query_new(owner, type.ldns, LDNS_RR_CLASS_IN, 0) else {
      ldns_rdf_deep_free(owner)
      throw .unwritable("no memory")
    }
    return try UpdateMessage(packet, key)
  }

  private static func name(_ text: String) throws(UpdateFailure) -> UnsafeMutablePointer<ldns_rdf> {
    guard let name = ldns_dname_new_frm_str(text) else { throw .unwritable("\(text) is no name") }
    return name
  }

  /// Takes over the packet.
  private init(_ packet: UnsafeMutablePointer<ldns_pkt>, _ key: UpdateKey?) throws(UpdateFailure) {
    ldns_pkt_set_random_id(packet)
    (self.packet, self.key) = (packet, key)
    var status = LDNS_STATUS_OK
    if let key { status = ldns_pkt_tsig_sign(packet, key.name, key.secret, Self.fudge, key.algorithm, nil) }
    var (wire, size) = (UnsafeMutablePointer<UInt8>?.none, 0)
    if status == LDNS_STATUS_OK { status = ldns_pkt2wire(&wire, packet, &size) }
    // ldns has allocated it.
    defer { free(wire) }
    guard status == LDNS_STATUS_OK, let wire, size <= UInt16.max else {
      bytes = []
      throw .unwritable(status == LDNS_STATUS_OK ? "it is too long" : String(cString: ldns_get_errorstr_by_id(status)))
    }
    bytes = Array(UnsafeBufferPointer(start: wire, count: size))
  }

  deinit { ldns_pkt_free(packet) }

  /// Throws unless the server has done what it was asked for.
  func check(_ answer: [UInt8]) throws(UpdateFailure) { ldns_pkt_free(try accepted(answer)) }

  /// The data of the records in the answer to a question, none where the name has none.
  func records(_ answer: [UInt8]) throws(UpdateFailure) -> [[UInt8]] {
    let found: UnsafeMutablePointer<ldns_pkt>
    do throws(UpdateFailure) { found = try accepted(answer) } catch {
      if error.saysAbsent { return [] }
      throw error
    }
    defer { ldns_pkt_free(found) }
    guard let asked = ldns_rr_list_rr(ldns_pkt_question(packet), 0), let list = ldns_pkt_answer(found) else { return [] }
    return (0..<ldns_rr_list_rr_count(list)).compactMap { number in
      // What an alias leads to is another name's.
      guard let record = ldns_rr_list_rr(list, number), ldns_rr_get_type(record) == ldns_rr_get_type(asked),
        ldns_dname_compare(ldns_rr_owner(record), ldns_rr_owner(asked)) == 0
      else { return nil }
      return (0..<ldns_rr_rd_count(record)).flatMap { place -> [UInt8] in
        guard let data = ldns_rr_rdf(record, place), let start = ldns_rdf_data(data) else { return [] }
        return Array(UnsafeBufferPointer(start: start, count: ldns_rdf_size(data)))
      }
    }
  }

  /// The server's answer, read, where it says that all is well. The caller frees it.
  private func accepted(_ answer: [UInt8]) throws(UpdateFailure) -> UnsafeMutablePointer<ldns_pkt> {
    var read: UnsafeMutablePointer<ldns_pkt>?
    guard ldns_wire2pkt(&read, answer, answer.count) == LDNS_STATUS_OK, let read else { throw .unreadable }
    var isKept = false
    defer { if !isKept { ldns_pkt_free(read) } }
    guard ldns_pkt_id(read) == ldns_pkt_id(packet), ldns_pkt_qr(read) != 0,
      ldns_pkt_get_opcode(read) == ldns_pkt_get_opcode(packet)
    else {
      throw .unreadable
    }
    let code = ldns_pkt_get_rcode(read)
    guard code == LDNS_RCODE_NOERROR else { throw .answered(code.rawValue, Self.name(of: code)) }
    if let key {
      // What was done counts only if the server has said so.
      guard let signed = ldns_pkt_tsig(packet), let mac = ldns_rr_rdf(signed, 3), ldns_pkt_tsig(read) != nil,
        ldns_pkt_tsig_verify(read, answer, answer.count, key.name, key.secret, mac) != 0
      else { throw .unsigned }
    }
    isKept = true
    return read
  }

  private static func name(of code: ldns_pkt_rcode) -> String {
    guard let text = ldns_pkt_rcode2str(code) else { return String(code.rawValue) }
    defer { free(text) }
    return String(cString: text)
  }

  /// A list of records, which owns them.
  private struct List: ~Copyable {
    let list: UnsafeMutablePointer<ldns_rr_list>?

    init() { list = ldns_rr_list_new() }
    deinit { ldns_rr_list_deep_free(list) }

    func append(
      _ name: String, _ type: ldns_rr_type, _ recordClass: ldns_rr_class, _ data: [UInt8]? = nil, timeToLive: UInt32 = 0
    ) throws(UpdateFailure) {
      let owner = try UpdateMessage.name(name)
      guard let record = ldns_rr_new() else {
        ldns_rdf_deep_free(owner)
        throw .unwritable("no memory")
      }
      // The record owns its name and its data from here on, and the list the record.
      ldns_rr_set_owner(record, owner)
      ldns_rr_set_type(record, type)
      ldns_rr_set_class(record, recordClass)
      ldns_rr_set_ttl(record, timeToLive)
      if let data { ldns_rr_push_rdf(record, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_UNKNOWN, data.count, data)) }
      ldns_rr_list_push_rr(list, record)
    }
  }
}

extension Resolver.RecordType {
  fileprivate var ldns: ldns_rr_type { ldns_rr_type(rawValue: UInt32(rawValue)) }
}
