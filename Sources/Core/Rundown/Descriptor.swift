import Glibc

/// An open file of this process. It has one owner, and is closed when its owner lets go of it.
public struct Descriptor: ~Copyable, Sendable {
  /// For calls of the system. It is this file's as long as the owner keeps the descriptor.
  public let number: Int32

  /// Takes over what a call of the system has answered. Nil, and `errno` is as it was, where that is negative.
  public init?(_ number: Int32) {
    guard number >= 0 else { return nil }
    self.number = number
  }

  deinit { close(number) }

  /// The number, which the caller closes from now on.
  public consuming func take() -> Int32 {
    let number = number
    discard self
    return number
  }
}
