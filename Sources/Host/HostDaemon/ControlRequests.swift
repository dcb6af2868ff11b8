import Hosting
import Providers
import QuerySets
import Rundown
import Sessions
import Wire

/// What a command asks of the host. The program that serves it knows the names and reads the JSON; it is untrusted.
public struct ControlQuestion: Sendable {
  public let name: String
  public let body: [UInt8]
  /// The session of the client that asks.
  public let client: ClientSession
  public let isOperator: Bool
}

/// What it is answered with.
public struct ControlReply: Sendable {
  public var body: [UInt8]
  public var isFailure: Bool
  /// Nil if it can't be watched.
  public var watch: Watch?

  public struct Watch: Sendable {
    /// Two answers with the same essence are the same for whoever watches.
    public var essence: [UInt8]
    /// Those that ring when the answer may be different.
    public var bells: [ChangeBell]

    public init(essence: [UInt8], bells: [ChangeBell]) { (self.essence, self.bells) = (essence, bells) }
  }

  public init(body: [UInt8], isFailure: Bool, watch: Watch? = nil) {
    (self.body, self.isFailure, self.watch) = (body, isFailure, watch)
  }

  fileprivate func write(to answer: inout FrameWriter) {
    AskAnswer(isFailure: isFailure ? 1 : 0).write(to: &answer)
    answer.append(body)
  }
}

extension Requests {
  /// False: its answers are sent here.
  func ask(
    _ payload: UnsafeMutableRawBufferPointer, _ header: FrameHeader, _ session: ClientSession, _ connection: Connection,
    _ answer: inout FrameWriter, _ met: inout HostLimit?
  ) throws(WinsockError) -> Bool {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let request = AskRequest(&fields), let name = fields.bytes(Int(request.nameSize)), request.watches <= 1 else {
      throw .invalidArgument
    }
    let question = ControlQuestion(
      name: String(decoding: name, as: UTF8.self), body: Array(fields.rest), client: session, isOperator: connection.isOperator)
    guard let reply = control(question) else { throw .operationNotSupported }
    guard request.watches == 1, !reply.isFailure else {
      reply.write(to: &answer)
      return true
    }
    guard let watch = reply.watch else { throw .invalidArgument }
    do throws(WinsockError) { try connection.follow { follower(of: watch.bells, question, header, connection) } } catch {
      if error == .noBuffers { met = .requestsPerUser }
      throw error
    }
    return false
  }

  /// Tells a connection what a question is answered with, now and whenever that is another.
  private func follower(
    of bells: [ChangeBell], _ question: ControlQuestion, _ header: FrameHeader, _ connection: Connection
  ) -> ChangeFollower {
    ChangeFollower(bells) { [weak connection, control] in
      guard let connection, let reply = control(question) else { return nil }
      return ChangeFollower.Look(essence: reply.watch?.essence ?? reply.body) {
        var answer = FrameWriter(RequestKind.ask.answer, request: header.request, status: WinsockError.ioPending.rawValue)
        reply.write(to: &answer)
        connection.send(answer.finish())
      }
    }
  }

  /// Commands of before `ask`.
  func command(_ payload: UnsafeMutableRawBufferPointer, _ answer: inout FrameWriter) throws(WinsockError) {
    guard CommandRequest(UnsafeRawBufferPointer(payload)) != nil else { throw .invalidArgument }
    let text = """
      nsphost: this command is older than the running host, and speaks to hosts in another way
      help: use the nsphost of the running host, or --local

      """
    answer.set(status: 1)
    CommandAnswer(outputSize: 0, errorSize: UInt32(text.utf8.count)).write(to: &answer)
    answer.append(Array(text.utf8))
  }
}
