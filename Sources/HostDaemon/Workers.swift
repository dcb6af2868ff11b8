import CWinsock

public final class Workers: Sendable {
  func isWorker(_ processID: Int32, of id: GUID) -> Bool { false }
  func isHung(_ processID: Int32) {}
}
