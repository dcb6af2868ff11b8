import BoundedTOML
import Glibc
import QuerySets

/// Why a file is not used as a provider, and what to do about it.
public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Reason: String, Sendable, CaseIterable {
    case untrusted
    case unreadable
    /// A file whose name is no text.
    case badName = "bad-name"
    case damaged
    case notAnELFFile = "not-elf"
    case wrongMachine = "wrong-machine"
    case notAProvider = "not-a-provider"
    case missingRoutine = "missing-routine"
    case missingLibrary = "missing-library"
    case unresolvedSymbol = "unresolved-symbol"
    /// It brings a second host into the host.
    case secondHost = "second-host"
    /// In this process it would make every stack executable.
    case executableStack = "executable-stack"
    case badManifest = "bad-manifest"
    case superseded
    case failedToLoad = "failed-to-load"
    /// Its own code has not returned yet.
    case starting

    public var title: String { rawValue.replacing("-", with: " ").replacing("elf", with: "ELF") }
  }

  public let path: String
  public let reason: Reason
  public let detail: String
  public let remedy: String
  /// What is wrong with its manifest, one by one.
  public private(set) var problems: [Problem] = []

  public init(path: String, reason: Reason, detail: String, remedy: String) {
    self.path = path
    self.reason = reason
    self.detail = detail
    self.remedy = remedy
  }

  /// - Parameter problems: All that is wrong with its manifest; the first one is the reason.
  init(path: String, problems: Problems) {
    let first = problems.all[0]
    let others = problems.all.count - 1
    let more = others == 0 ? "" : " (and \(others) more: nsphost config check lists all)"
    self.init(path: path, reason: .badManifest, detail: first.line + more, remedy: first.help)
    self.problems = problems.all
  }

  /// What a client learns that names the provider.
  public var winsockError: WinsockError {
    switch reason {
    case .missingRoutine, .notAProvider: .invalidProcedureTable
    case .untrusted: .accessDenied
    case .starting: .tryAgain
    default: .providerFailedInit
    }
  }

  public var description: String { "\(path): \(reason.title): \(detail): \(remedy)" }
}

/// A file in a plugin directory, and what became of it.
public struct Candidate: Sendable {
  public enum State: Sendable {
    case ready
    case disabled
    /// An earlier file has the same provider id.
    case superseded(by: String)
    case refused(Refusal)
  }

  public let path: String
  public var state: State
  public var manifest: Manifest?
  public var image: ELFImage?
  /// Which contents of the path were judged; nil when they could not be examined.
  public let version: FileVersion?

  public init(path: String, state: State, manifest: Manifest? = nil, image: ELFImage? = nil, version: FileVersion? = nil) {
    self.path = path
    self.version = version
    self.state = state
    self.manifest = manifest
    self.image = image
  }
}

/// Tells the contents of a path from earlier and later ones.
public struct FileVersion: Hashable, Sendable {
  private let device: dev_t
  private let inode: ino_t
  private let size: off_t
  private let seconds: Int
  private let nanoseconds: Int

  init(_ status: stat) {
    device = status.st_dev
    inode = status.st_ino
    size = status.st_size
    seconds = status.st_mtim.tv_sec
    nanoseconds = status.st_mtim.tv_nsec
  }
}
