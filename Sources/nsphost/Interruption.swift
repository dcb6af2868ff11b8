import Dispatch
import Glibc

/// Ctrl-C and a polite kill, as something to wait for: the command then ends in order.
final class Interruption {
  private let arrived = DispatchSemaphore(value: 0)
  private var sources: [any DispatchSourceSignal] = []

  init() {
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [arrived] in arrived.signal() }
      source.resume()
      sources.append(source)
    }
  }

  /// True once it has come.
  func wait(milliseconds: Int) -> Bool { arrived.wait(timeout: .now() + .milliseconds(milliseconds)) == .success }
}
