/// Every message of the wire, read from any bytes: what can be read is written as it was, and reads again.
private func check<Message: WireMessage>(_ type: Message.Type, _ bytes: UnsafeRawBufferPointer) {
  guard let message = Message(bytes) else { return }
  let first = written(message)
  guard let again = first.withUnsafeBytes({ Message($0) }) else { fatalError("\(type) can't be read again") }
  precondition(written(again) == first, "\(type) is another one")
}

private func written(_ message: some WireMessage) -> [UInt8] {
  var frame = FrameWriter(0, request: 0)
  message.write(to: &frame)
  return Array(frame.bytes[FrameHeader.size...])
}

@c(LLVMFuzzerTestOneInput)
public func fuzzMessages(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  let bytes = UnsafeRawBufferPointer(start: start, count: count)
  let types: [any WireMessage.Type] = [
    HelloRequest.self, HelloAnswer.self, HelloRefusalAnswer.self, BeginRequest.self, LookupHandle.self, NextRequest.self,
    LookupRequest.self, LookupAnswer.self, SetServiceRequest.self, EnumerateAnswer.self, EnumeratedProvider.self,
    InstallRequest.self, UninstallRequest.self, EnableRequest.self, OrderRequest.self, CommandRequest.self,
    CommandAnswer.self, ClassNameRequest.self, ClassRequest.self, ClassInfoRequest.self, ClassNameAnswer.self,
    IoctlRequest.self, IoctlAnswer.self, CatalogChangeRequest.self, ResolveRequest.self, AskRequest.self, AskAnswer.self,
    AdvertiseRequest.self,
    UnadvertiseRequest.self, CallCompletion.self, ChangeReport.self, LogLine.self, WorkerNoteRequest.self, StartupCall.self,
    StartupAnswer.self, SessionEndCall.self, BeginCall.self, BeginAnswer.self, NextCall.self, EndCall.self,
    SetServiceCall.self, ClassCall.self, IoctlCall.self, OutcomeFields.self,
  ]
  for type in types { check(type, bytes) }
  return 0
}
