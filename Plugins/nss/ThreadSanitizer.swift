#if NSPHOST_THREAD_SANITIZER
  import Rundown

  // A lock that the sanitizer can see; other builds use the standard library's.
  typealias Mutex<Value> = VisibleMutex<Value>
#endif
