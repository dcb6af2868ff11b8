import CWinsock
import CallManagement
import Glibc
import Hosting
import QuerySets
import Sessions
import Wire

/// What glibc asks through its module: hosts and ports, in the form that it needs, of the first provider that has them.
extension Requests {
  /// The answer to a connection that only resolves names.
  func resolverAnswer(
    _ kind: RequestKind, _ header: FrameHeader, _ payload: UnsafeMutableRawBufferPointer, _ connection: Connection
  ) -> [UInt8]? {
    let user = connection.peer.userID
    var answer = FrameWriter(kind.answer, request: header.request)
    switch kind {
    case .nothing: return answer.finish()
    case .resolve:
      guard !connection.isLimited || quotas.requests.take(user) else {
        return failure(kind.answer, header, refusals.met(.requestsPerUser, by: user))
      }
      defer { if connection.isLimited { quotas.requests.giveBack(user) } }
      do throws(WinsockError) {
        let session: ClientSession
        do throws(NDISStatus) { session = try resolvers.session(for: connection.peer) } catch {
          throw WinsockError(refusal: error)
        }
        try resolve(payload, session, connection, &answer)
        guard answer.count <= Int(limits.maximumFrame) else { throw .noBuffers }
        return answer.finish()
      } catch { return failure(kind.answer, header, error) }
    case .goodbye:
      connection.send(answer.finish())
      connection.end(.remote)
      return nil
    default: return failure(kind.answer, header, .notInitialised)
    }
  }

  func resolve(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ connection: Connection, _ answer: inout FrameWriter
  ) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let request = ResolveRequest(&fields), let question = ResolveQuestion(rawValue: request.question),
      let text = fields.bytes(Int(request.size)), !text.contains(0),
      let name = String(validating: text, as: UTF8.self)
    else { throw .invalidArgument }
    guard question == .names || ResolvedName.isUsable(name, for: question) else { throw .hostNotFound }
    // What the host or a provider in its care looks up would come back to it, and again.
    guard connection.mayResolve else { throw .operationNotSupported }
    // The names of an address of IPv4 are asked for as such, however it is written: no provider needs to know more than one form.
    let plain = question == .names ? SocketAddress(hostText: name)?.unmapped : nil
    let wanted = request.family == 0 ? 0 : plain?.family.map { UInt32($0) } ?? request.family
    var query = QuerySet(serviceInstanceName: plain?.description ?? name, serviceClassID: question.serviceClass)
    if wanted != 0 { query.protocols = [ProtocolPair(addressFamily: Int32(bitPattern: wanted), protocolNumber: 0)] }
    // Of what anybody can register, that of those whom the asking user trusts anyway.
    let flags: LookupFlags = [.returnName, .returnAddress, .returnAliases, .returnBlob, .secure]
    let lookup = try host.engine.begin(session, query, flags: flags, takesAll: true, stopsAtFirst: true)
    connection.resolves(lookup)
    defer {
      connection.hasResolved(lookup)
      lookup.end()
    }
    var found = ResolvedName(question, family: wanted)
    var ending = WinsockError.noMore
    while !found.isFull {
      do throws(LookupError) {
        try lookup.next { view throws(QuerySetError) in found.add(QuerySet(view)) }
      } catch {
        ending = error.winsockError
        break
      }
    }
    guard found.isAnswer else { throw ending == .noMore ? .noData : ending }
    found.append(to: &answer, asked: name)
  }
}

extension ResolveQuestion {
  fileprivate var serviceClass: GUID {
    switch self {
    case .addresses: .addressesOfName
    case .names: .nameOfAddress
    case .port: .portOfService
    }
  }
}

/// The records of one name, put together, and bounded: whoever asks has to find room for all of it.
private struct ResolvedName {
  private let question: ResolveQuestion
  private let family: UInt32
  private var names: [String] = []
  private var addresses: [SocketAddress] = []
  private var knownNames: Set<String> = []
  private var knownAddresses: Set<SocketAddress> = []
  private var port: UInt16 = 0
  private var protocolNumber: UInt16 = 0
  private var timeToLive: UInt32 = .max
  private var hasRecord = false
  private var size = 0

  private static let mostNames = 512
  private static let mostAddresses = 1024
  private static let longestName = 1024
  private static let mostBytes = 48 << 10

  init(_ question: ResolveQuestion, family: UInt32) { (self.question, self.family) = (question, family) }

  /// Names are known of an address, addresses of a host.
  var isAnswer: Bool { hasRecord && (question == .names ? !names.isEmpty : !addresses.isEmpty) }

  var isFull: Bool { size >= Self.mostBytes || names.count >= Self.mostNames || addresses.count >= Self.mostAddresses }

  mutating func add(_ record: QuerySet) {
    if record.outputFlags & UInt32(RESULT_IS_ALIAS) == 0 { hasRecord = true }
    if let name = record.serviceInstanceName, Self.isUsable(name, for: question), names.count < Self.mostNames,
      knownNames.insert(name).inserted
    {
      names.append(name)
      size += name.utf8.count
    }
    for address in record.addresses {
      let remote = address.remote
      guard remote.host != nil, let number = remote.family, family == 0 || UInt32(number) == family else { continue }
      if addresses.isEmpty, address.protocolNumber > 0 { protocolNumber = UInt16(clamping: address.protocolNumber) }
      if addresses.isEmpty { port = remote.port ?? 0 }
      guard addresses.count < Self.mostAddresses, knownAddresses.insert(remote).inserted else { continue }
      addresses.append(remote)
      size += 24
    }
    if let seconds = record.blob.flatMap({ DNSBlob($0)?.timeToLive }) { timeToLive = min(timeToLive, seconds) }
  }

  /// A host's name has letters, digits, `-`, `_` and dots, as glibc's own services see to, or is in another script: programs put it into logs and
  /// command lines. A service's has neither spaces nor controls.
  static func isUsable(_ name: String, for question: ResolveQuestion) -> Bool {
    guard !name.isEmpty, name.utf8.count <= longestName, name.utf8.first != UInt8(ascii: "-") else { return false }
    return name.utf8.allSatisfy { byte in
      if byte >= 128 { return true }
      if question == .port { return byte > 32 && byte != 127 }
      return byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 32)
    }
  }

  /// As in docs/wire.md.
  func append(to answer: inout FrameWriter, asked: String) {
    let names = names.isEmpty ? [asked] : names
    answer.append(UInt32(names.count))
    answer.append(UInt32(addresses.count))
    answer.append(timeToLive)
    answer.append(port)
    answer.append(protocolNumber)
    for address in addresses {
      answer.append(UInt32(address.family ?? 0))
      answer.append(address.scope)
      let host = Array(address.host ?? [])
      answer.append(host + [UInt8](repeating: 0, count: 16 - host.count))
    }
    for name in names {
      answer.append(UInt16(name.utf8.count))
      answer.append(Array(name.utf8))
    }
  }
}
