import Providers
import Testing

@Suite struct LoaderMessageTests {
  @Test(
    "what the dynamic linker says becomes a reason and a remedy that fits; its words stay",
    arguments: [
      ("/p/x.so: cannot allocate memory in static TLS block", false, Refusal.Reason.failedToLoad, "isolation = \"worker\""),
      ("/p/x.so: cannot allocate memory in static TLS block", true, .failedToLoad, "-ftls-model=global-dynamic"),
      (
        "libfoo.so.2: cannot open shared object file: No such file or directory", false, .missingLibrary,
        "install the package that contains libfoo.so.2"
      ),
      ("/p/x.so: cannot open shared object file: No such file or directory", true, .failedToLoad, "put it back"),
      (
        "/opt/lib/libfoo.so.2: cannot open shared object file: Permission denied", true, .missingLibrary,
        "make /opt/lib/libfoo.so.2 readable, and name its folder in allow-read"
      ),
      ("libfoo.so.2: cannot open shared object file: Permission denied", false, .missingLibrary, "make libfoo.so.2 readable"),
      ("/p/x.so: cannot open shared object file: Too many open files", false, .failedToLoad, "limit of descriptors"),
      ("/p/x.so: undefined symbol: gone", false, .unresolvedSymbol, "defines gone,"),
      ("/p/libz.so.1: undefined symbol: gone, version Z_1", true, .unresolvedSymbol, "defines gone,"),
      (
        "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_9.9' not found (required by /p/x.so)", false, .missingLibrary,
        "a newer libc.so.6: build it on this machine, or install one with GLIBC_9.9"
      ),
      (
        "/p/x.so: cannot enable executable stack as shared object requires: Permission denied", true, .failedToLoad, "noexecstack"
      ),
      ("/p/x.so: failed to map segment from shared object", false, .failedToLoad, "noexec"),
      ("/p/x.so: something that nobody has foreseen", false, .failedToLoad, "ldd /p/x.so"),
    ])
  func remedies(text: String, isAlone: Bool, reason: Refusal.Reason, remedy: String) {
    let message = LoaderMessage(text, path: "/p/x.so", isAlone: isAlone)
    #expect(message.text == text && message.reason == reason)
    #expect(message.remedy.contains(remedy), "\(message.remedy)")
  }
}
