// swift-tools-version: 6.2
import PackageDescription

/// `make sanitize` names the sanitizer that it builds with.
let sanitizer = Context.environment["NSPHOST_SANITIZER"]

/// Warnings are errors in this package's own targets; dependencies keep theirs.
let strict: [SwiftSetting] =
  [
    .treatAllWarnings(as: .error),
    // Generic code of one room is specialised for its use in another.
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
  ]

/// Builds with ThreadSanitizer have locks that it sees.
let locks: [SwiftSetting] = sanitizer == "thread" ? [.define("NSPHOST_THREAD_SANITIZER")] : []

/// Programs that load providers export the host's C ABI and nothing else: `Exports/nsphost.map` names it. Not each program defines all of it.
///
/// A sanitizer's runtime lives in the program and must be seen by the libraries, so builds with one (`NSPHOST_SANITIZER` set)
/// export everything.
let exports: [LinkerSetting] = [
  .unsafeFlags(
    ["-use-ld=lld", "-Xlinker", "--export-dynamic"]
      + (sanitizer == nil
        ? ["-Xlinker", "--undefined-version", "-Xlinker", "--version-script=\(Context.packageDirectory)/Exports/nsphost.map"]
        : []))
]

let embedded: [SwiftSetting] = [
  .enableExperimentalFeature("Embedded"), .treatAllWarnings(as: .error), .unsafeFlags(["-wmo", "-Osize"]),
]

/// libnsp.so shows the client API, the NSS module what glibc asks for, and nothing else.
let clientExports = embeddedLibrary("libnsp.so.0", exports: "nsp")
/// Every program that resolves one name maps it: fewer parts are quicker to map.
let nssExports = embeddedLibrary("libnss_nsp.so.2", exports: "nss", ["--no-rosegment"])

func embeddedLibrary(_ name: String, exports: String, _ flags: [String] = []) -> [LinkerSetting] {
  let all = ["--version-script=\(Context.packageDirectory)/Exports/\(exports).map", "--gc-sections", "-soname=\(name)"] + flags
  return [
    .unsafeFlags(["-enable-experimental-feature", "Embedded", "-use-ld=lld"] + all.flatMap { ["-Xlinker", $0] })
  ]
}

/// A provider that ships exports the routines that it has, and nothing else; what it calls of the host's is found when it is loaded.
func provider(exports: String) -> [LinkerSetting] {
  [.unsafeFlags(["-use-ld=lld", "-Xlinker", "--version-script=\(Context.packageDirectory)/Exports/\(exports).map"])]
}

/// The folders of Sources, and the rooms in each; a room that is not here stands in Sources itself. A room uses those of its own folder and of
/// folders below: `docs/internals/rooms.md` shows them.
let folders: [String: [String]] = [
  "ABI": ["CLastError", "CWinsock"],
  "Clients": ["CNSSModule", "ClientLibrary", "NSPClient", "NSSModule"],
  "Core": ["BoundedTOML", "Ownership", "QuerySets", "Rundown", "SettingsTable", "Wire", "WireValues"],
  "Host": ["HostDaemon", "Hosting", "Providers", "ServiceClasses", "Serving", "Sessions", "StateBackups"],
  "ProviderKit": ["CAres", "CIDN", "CLDNS", "CProvider", "NSPProvider", "Resolver", "ResolverSettings"],
  "System": [
    "CClientSystem", "CConfinement", "CDynamicLinker", "CEnding", "CFFI", "CHostSocket", "CLastWords", "CLinux", "CMappedFiles",
    "CProcessState", "CReadableMemory", "CThreads", "CUUID",
  ],
]

let package = Package(
  name: "nsphost",
  products: [
    .executable(name: "nsphost", targets: ["nsphost"]),
    // For programs in C and C++ that embed the host; `make install` gives it its name, libnsphost.so.
    // What clients link; `make install` gives it its name, libnsp.so.
    .library(name: "NSPLibrary", type: .dynamic, targets: ["ClientLibrary"]),
    // For clients in Swift.
    .library(name: "NSPClient", targets: ["NSPClient"]),
    // For providers in Swift.
    .library(name: "NSPProvider", targets: ["NSPProvider", "CProvider"]),
    // The providers that ship.
    .library(name: "hosts", type: .dynamic, targets: ["HostsProvider"]),
    .library(name: "dns", type: .dynamic, targets: ["DNSProvider"]),
    .library(name: "directory", type: .dynamic, targets: ["DirectoryProvider"]),
    .library(name: "email", type: .dynamic, targets: ["EmailProvider"]),
    .library(name: "nss", type: .dynamic, targets: ["NSSBridge"]),
    // glibc's door to the host; `make install` gives it its name, libnss_nsp.so.2.
    .library(name: "NSSModule", type: .dynamic, targets: ["NSSModule"]),
    .library(name: "NSPHostLibrary", type: .dynamic, targets: ["ModuleRegistrar", "CallManagement", "Hosting"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
  ],
  targets: [
    .target(name: "CWinsock"),
    .target(name: "CLastError", dependencies: ["CWinsock"]),
    .systemLibrary(name: "CFFI", pkgConfig: "libffi", providers: [.apt(["libffi-dev"])]),
    .systemLibrary(name: "CUUID", pkgConfig: "uuid", providers: [.apt(["uuid-dev"])]),
    .target(name: "CDynamicLinker", dependencies: ["CWinsock"]),
    .target(name: "CLastWords"),
    .target(name: "BoundedTOML", dependencies: [.product(name: "TOMLKit", package: "TOMLKit")], swiftSettings: strict),
    .target(
      name: "SettingsTable", dependencies: ["BoundedTOML", .product(name: "TOMLKit", package: "TOMLKit")], swiftSettings: strict),
    // In the program that hosts providers alone: what it defines counts for the whole process.
    .target(name: "CEnding", dependencies: ["CLastWords"]),
    .target(name: "CMappedFiles", dependencies: ["CLastWords"]),
    .target(name: "CProcessState"),
    .target(name: "CThreads"),
    .target(name: "Rundown", dependencies: ["CThreads"], swiftSettings: strict + locks),
    .target(name: "CReadableMemory"),
    .target(name: "QuerySets", dependencies: ["CReadableMemory", "CWinsock"], swiftSettings: strict),
    .target(name: "Ownership", dependencies: ["QuerySets"], swiftSettings: strict),
    .target(name: "ModuleRegistrar", dependencies: ["CReadableMemory", "CWinsock", "Rundown"], swiftSettings: strict),
    .target(name: "CallManagement", dependencies: ["CWinsock", "Rundown"], swiftSettings: strict),
    .target(
      name: "ServiceClasses",
      dependencies: [
        "BoundedTOML", "CWinsock", "Ownership", "QuerySets", "Rundown", .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "TOMLKit", package: "TOMLKit"),
      ],
      swiftSettings: strict),
    .target(
      name: "Providers",
      dependencies: [
        "BoundedTOML", "CDynamicLinker", "CFFI", "CLastError", "CLastWords", "CMappedFiles", "CProcessState", "CUUID",
        "ModuleRegistrar", "Ownership", "QuerySets", "Rundown", "SettingsTable",
        .product(name: "TOMLKit", package: "TOMLKit"),
      ],
      swiftSettings: strict),
    .target(
      name: "Sessions", dependencies: ["CallManagement", "CWinsock", "ModuleRegistrar", "Providers", "Rundown"],
      swiftSettings: strict),
    .target(
      name: "Hosting",
      dependencies: [
        "CDynamicLinker", "CLastWords", "CLinux", "CallManagement", "Sessions", "Providers", "ModuleRegistrar", "QuerySets",
        "Rundown",
        "ServiceClasses",
      ],
      swiftSettings: strict, linkerSettings: exports),
    .target(name: "CLinux"),
    .target(name: "CHostSocket"),
    .target(name: "CClientSystem", dependencies: ["CHostSocket", "CThreads"]),
    // The parts of the client library that a worker is made of, under its folder; no Embedded Swift here.
    .target(
      name: "Serving",
      dependencies: [
        "CClientSystem", "CHostSocket", "CLastWords", "CThreads", "CWinsock", "Hosting", "Providers", "QuerySets", "Rundown",
        "Wire", "WireValues",
      ],
      swiftSettings: strict),
    .target(
      name: "StateBackups",
      dependencies: ["CLinux", "Ownership", "Providers", "QuerySets", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: strict),
    .target(name: "CConfinement"),
    .target(name: "CProvider", dependencies: ["CWinsock"]),
    .target(name: "NSPProvider", dependencies: ["CProvider", "CWinsock", "QuerySets", "Rundown"], swiftSettings: strict),
    .target(
      name: "HostsProvider", dependencies: ["CProvider", "CWinsock", "NSPProvider", "QuerySets", "Rundown"],
      path: "Plugins/hosts",
      exclude: ["hosts.toml"], swiftSettings: strict, linkerSettings: provider(exports: "lookups")),
    .systemLibrary(name: "CAres", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
    .systemLibrary(name: "CIDN", pkgConfig: "libidn2", providers: [.apt(["libidn2-dev"])]),
    .systemLibrary(name: "CLDNS", pkgConfig: "ldns", providers: [.apt(["libldns-dev"])]),
    .target(name: "Resolver", dependencies: ["CAres", "CIDN", "CLinux", "Rundown"], swiftSettings: strict),
    .target(name: "ResolverSettings", dependencies: ["NSPProvider", "QuerySets", "Resolver"], swiftSettings: strict),
    .target(
      name: "DNSProvider",
      dependencies: ["CLDNS", "CProvider", "CWinsock", "NSPProvider", "QuerySets", "Rundown", "Resolver", "ResolverSettings"],
      path: "Plugins/dns", exclude: ["dns.toml"], swiftSettings: strict, linkerSettings: provider(exports: "registrations")),
    .target(
      name: "DirectoryProvider",
      dependencies: [
        "CProvider", "CWinsock", "NSPProvider", "Ownership", "QuerySets", "Rundown",
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      path: "Plugins/directory", exclude: ["directory.toml"], swiftSettings: strict,
      linkerSettings: provider(exports: "registrations")),
    .target(
      name: "EmailProvider",
      dependencies: ["CProvider", "CWinsock", "NSPProvider", "QuerySets", "Rundown", "Resolver", "ResolverSettings"],
      path: "Plugins/email", exclude: ["email.toml"], swiftSettings: strict, linkerSettings: provider(exports: "registrations")),
    .target(name: "CModuleABI", path: "Plugins/nss/ModuleABI"),
    .target(
      name: "NSSBridge", dependencies: ["CModuleABI", "CProvider", "CWinsock", "NSPProvider", "QuerySets", "Rundown"],
      path: "Plugins/nss",
      exclude: ["ModuleABI", "nss.toml"], swiftSettings: strict, linkerSettings: provider(exports: "lookups")),
    .target(name: "CNSSModule", dependencies: ["CHostSocket"]),
    .target(name: "NSSModule", dependencies: ["CNSSModule", "CWinsock"], swiftSettings: embedded, linkerSettings: nssExports),
    // Embedded Swift: the library needs libc alone.
    .target(
      name: "ClientLibrary", dependencies: ["CClientSystem", "CLastError", "CThreads", "CWinsock"], swiftSettings: embedded,
      linkerSettings: clientExports),
    .target(name: "Wire", swiftSettings: strict),
    .target(name: "WireValues", dependencies: ["CWinsock", "QuerySets", "Wire"], swiftSettings: strict),
    .target(name: "NSPClient", dependencies: ["CHostSocket", "CWinsock", "QuerySets", "Rundown", "Wire"], swiftSettings: strict),
    .target(
      name: "HostDaemon",
      dependencies: [
        "BoundedTOML", "CLastWords", "CLinux", "CWinsock", "CallManagement", "Hosting", "Ownership", "Providers", "QuerySets",
        "Rundown",
        "Sessions", "SettingsTable", "Wire", "WireValues",
        .product(name: "TOMLKit", package: "TOMLKit"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "nsphost",
      dependencies: [
        "BoundedTOML", "CConfinement", "CDynamicLinker", "CEnding", "CLastWords", "CLinux", "CallManagement", "HostDaemon",
        "Hosting",
        "ModuleRegistrar",
        "NSPClient", "Serving", "SettingsTable", "Wire", "Sessions",
        "Providers", "QuerySets", "Rundown", "ServiceClasses", "StateBackups",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "bench",
      dependencies: [
        "CallManagement", "Hosting", "ModuleRegistrar", "Sessions", "Providers", "QuerySets", "Rundown", "ServiceClasses",
      ],
      path: "Benchmarks", exclude: ["floor", "peers"], swiftSettings: strict),
    // A client in Swift, for the checks with real processes.
    .executableTarget(
      name: "reach", dependencies: ["NSPClient", "QuerySets"], path: "Tests/Clients/reach", swiftSettings: strict),
    // Numbers for tests that make sequences of events by chance.
    .target(name: "RandomSequences", path: "Tests/RandomSequences", swiftSettings: strict),
    .testTarget(name: "BoundedTOMLTests", dependencies: ["BoundedTOML"], swiftSettings: strict),
    .testTarget(name: "HostSocketTests", dependencies: ["CHostSocket", "NSPClient"], swiftSettings: strict),
    .testTarget(name: "RundownTests", dependencies: ["Rundown"], swiftSettings: strict),
    .testTarget(name: "CallManagementTests", dependencies: ["CallManagement", "Rundown"], swiftSettings: strict),
    .testTarget(
      name: "ModuleRegistrarTests", dependencies: ["ModuleRegistrar", "RandomSequences", "Rundown"], swiftSettings: strict),
    .testTarget(name: "QuerySetsTests", dependencies: ["QuerySets", "RandomSequences"], swiftSettings: strict),
    .testTarget(name: "ServiceClassesTests", dependencies: ["CWinsock", "QuerySets", "ServiceClasses"], swiftSettings: strict),
    .testTarget(
      name: "ProvidersTests",
      dependencies: ["BoundedTOML", "Providers", "Hosting", "ModuleRegistrar", "RandomSequences", "Rundown"],
      swiftSettings: strict),
    .testTarget(name: "StateBackupsTests", dependencies: ["Ownership", "StateBackups"], swiftSettings: strict),
    .testTarget(
      name: "HostingTests",
      dependencies: ["CLastWords", "CallManagement", "Hosting", "ModuleRegistrar", "Rundown", "ServiceClasses", "Sessions"],
      swiftSettings: strict),
    .testTarget(
      name: "NSPProviderTests",
      dependencies: [
        "CProvider", "CWinsock", "CallManagement", "Hosting", "ModuleRegistrar", "NSPProvider", "Providers", "QuerySets",
        "Rundown",
        "Sessions",
      ],
      swiftSettings: strict),
    .testTarget(name: "ResolverTests", dependencies: ["RandomSequences", "Resolver"], swiftSettings: strict),
    // Parts of the providers that ship, by links: two providers can't be in one program.
    .testTarget(
      name: "PluginTests", dependencies: ["CWinsock", "NSPProvider", "QuerySets", "RandomSequences", "Resolver", "Rundown"],
      swiftSettings: strict),
    .testTarget(
      name: "DirectoryTests",
      dependencies: [
        "CWinsock", "NSPProvider", "Ownership", "QuerySets", "RandomSequences", "Rundown",
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: strict),
    // Parts of the libraries in Embedded Swift, by links: they are no modules that others can import.
    .testTarget(
      name: "ClientLibraryTests", dependencies: ["CWinsock", "QuerySets", "RandomSequences", "Wire", "WireValues"],
      swiftSettings: strict),
    .testTarget(name: "NSSModuleTests", dependencies: ["CNSSModule", "RandomSequences"], swiftSettings: strict),
    .testTarget(name: "WireTests", dependencies: ["CWinsock", "QuerySets", "Wire"], swiftSettings: strict),
    .testTarget(
      name: "HostDaemonTests",
      dependencies: [
        "BoundedTOML", "CLinux", "CallManagement", "HostDaemon", "Hosting", "ModuleRegistrar", "NSPClient", "Providers",
        "QuerySets",
        "RandomSequences", "Rundown", "ServiceClasses", "Serving", "Sessions", "Wire",
      ],
      swiftSettings: strict),
    // Real hosts and real clients.
    .testTarget(
      name: "SystemTests",
      dependencies: [
        "RandomSequences", .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "Subprocess", package: "swift-subprocess"),
      ], swiftSettings: strict),
    .testTarget(
      name: "CommandTests",
      dependencies: ["nsphost", .product(name: "Subprocess", package: "swift-subprocess")],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)

for (folder, rooms) in folders {
  for target in package.targets where rooms.contains(target.name) { target.path = "Sources/\(folder)/\(target.name)" }
}
