import CLDNS
import QuerySets
import Resolver

/// An update as ldns writes it, and what the answer to it says. All of ldns is here.
final class UpdateMessage {
  let bytes: [UInt8]
  private let packet: UnsafeMutablePointer<ldns_pkt>
  private let key: UpdateKey?

  /// Seconds that two clocks may differ by.
  private static let fudge: UInt16 = 300

  init(_ update: Update, _ settings: UpdateSettings) throws(UpdateFailure) {
    let prerequisites = List()
    let changes = List()
    if update.needsName { try prerequisites.append(update.name, LDNS_RR_TYPE_ANY, LDNS_RR_CLASS_ANY) }
    for change in update.changes {
      switch change {
      case .remove(let type): try changes.append(update.name, type.ldns, LDNS_RR_CLASS_ANY)
      case .removeOne(let type, let data): try changes.append(update.name, type.ldns, LDNS_RR_CLASS_NONE, data)
      case .add(let type, let data):
        try changes.append(update.name, type.ldns, LDNS_RR_CLASS_IN, data, timeToLive: settings.timeToLive)
      }
    }
    guard let zone = ldns_dname_new_frm_str(settings.zone) else { throw .unwritable("\(settings.zone) is no name") }
    // The packet takes over the zone's name and copies the lists.
    guard let packet = ldns_update_pkt_new(zone, LDNS_RR_CLASS_IN, prerequisites.list, changes.list, nil) else {
      ldns_rdf_deep_free(zone)
      throw .unwritable("no memory")
    }
    ldns_pkt_set_random_id(packet)
    (self.packet, key) = (packet, settings.key)
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

  /// Throws unless the server has made the update.
  func check(_ answer: [UInt8]) throws(UpdateFailure) {
    var found: UnsafeMutablePointer<ldns_pkt>?
    guard ldns_wire2pkt(&found, answer, answer.count) == LDNS_STATUS_OK, let found else { throw .unreadable }
    defer { ldns_pkt_free(found) }
    guard ldns_pkt_id(found) == ldns_pkt_id(packet), ldns_pkt_qr(found) != 0, ldns_pkt_get_opcode(found) == LDNS_PACKET_UPDATE
    else {
      throw .unreadable
    }
    let code = ldns_pkt_get_rcode(found)
    guard code == LDNS_RCODE_NOERROR else { throw .answered(code.rawValue, Self.name(of: code)) }
    guard let key else { return }
    // What was done counts only if the server has said so.
    guard let signed = ldns_pkt_tsig(packet), let mac = ldns_rr_rdf(signed, 3), ldns_pkt_tsig(found) != nil,
      ldns_pkt_tsig_verify(found, answer, answer.count, key.name, key.secret, mac) != 0
    else { throw .unsigned }
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
      guard let owner = ldns_dname_new_frm_str(name) else { throw .unwritable("\(name) is no name") }
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
