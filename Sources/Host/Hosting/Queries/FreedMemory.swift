import CLinux
import Providers
import Synchronization

/// What was kept for users and has been freed: pieces of many sessions lie between each other, and malloc alone would keep the pages between
/// them. Enough of it together is given back to the system.
public enum FreedMemory {
  private static let freed = Atomic<Int>(0)
  private static let isAtWork = Atomic<Bool>(false)
  /// How much that must be.
  private static let worthGivingBack = 1 << 20

  /// So many bytes have just been freed, or are about to be. Any thread; the work is another's.
  public static func note(_ bytes: Int) {
    freed.add(bytes, ordering: .relaxed)
    if takesTurn() {
      HostThreads.run {
        repeat {
          // What is freed from here on is for the next time.
          freed.store(0, ordering: .relaxed)
          nsp_give_back_memory()
          isAtWork.store(false, ordering: .sequentiallyConsistent)
        } while takesTurn()
      }
    }
  }

  private static func takesTurn() -> Bool {
    freed.load(ordering: .sequentiallyConsistent) >= worthGivingBack
      && !isAtWork.exchange(true, ordering: .sequentiallyConsistent)
  }
}
