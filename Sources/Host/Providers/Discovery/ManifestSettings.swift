import BoundedTOML
import CWinsock
import Glibc
import QuerySets
import SettingsTable
import TOMLKit

extension Manifest {
  /// What sidecars, and tables `[providers.NAME]` of the configuration, say of a provider.
  public static let table = SettingsTable<Manifest> {
    Setting("id", .guid, \.id, in: .manifest, .worker, help: "the id that uuidgen prints, always the same for one provider")
    Setting(
      "name", .anyText, \.displayName, in: .manifest, .worker, help: "what people call the provider; its file's name without it")
    Setting("namespace", .served, in: [.manifest], help: "which queries it gets", set: { $0.nameSpaces = $1 })
    Setting("listed", .listed, in: [.manifest], help: "under which name spaces programs find it in the list of providers") {
      $0.nameSpaces = ServedNameSpaces($0.nameSpaces.primary, further: $0.nameSpaces.further, listed: $1)
    }
    Setting("version", .number(0...UInt32.max), \.version, in: .manifest, help: "the version that programs see")
    Setting("domains", .list(of: .domain, "domains"), in: [.manifest], help: "for which domains an e-mail provider answers") {
      manifest, claims in
      (manifest.domains, manifest.servesAnyDomain) = ([], false)
      for claim in claims { manifest.add(claim) }
    }
    Setting(
      "isolation", .isolation, \.isolation, in: .manifest, .provider,
      help: "where it runs; without it as isolation of the host says")
    Setting("allow-partial", .truth, \.allowsPartial, in: .manifest, .worker, help: "whether it may lack Begin, NextEx or End")
    Setting("blocking", .truth, \.isBlocking, in: .manifest, .provider, help: "whether its routines keep their thread")
    Setting("advertises", .truth, \.advertises, in: .manifest, .worker, help: "whether it calls WSAAdvertiseProvider itself")
    Setting("serialise", .truth, in: [.manifest], help: "the same as concurrency = 1", set: { $0.concurrency = $1 ? 1 : nil })
    Setting(
      "concurrency", .number(1...4096), \.concurrency, in: .manifest, .provider, .worker,
      help: "how many of its routines run at a time; without it there is no limit")
    Setting(
      "cancel", .choice(["end": false, "wait": true]), \.endsWait, in: .manifest, .worker,
      help: "whether the end of a lookup waits until its NextEx has returned")
    Setting("schema", .truth, \.storesClasses, in: .manifest, help: "whether it keeps whole service classes")
    Setting(
      "lists-registrations", .truth, \.listsRegistrations, in: .manifest, help: "whether it lists what is registered with it")
    Setting("keeps-owners", .truth, \.keepsOwners, in: .manifest, help: "whether it knows whose registrations are whose")
    Setting(
      "reserves-names", .truth, \.reservesNames, in: .manifest,
      help: "whether only root and the host's own user may register the names that it serves")
    Setting("enabled", .truth, \.isEnabled, in: .manifest, .provider, help: "whether it is asked at all")
    Setting(
      "deadline-ms", .milliseconds(1...86_400_000), \.deadline, in: .manifest, .provider,
      help: "how long one call may take before the client is answered without it")
    Setting(
      "grace-ms", .milliseconds(1...86_400_000), \.grace, in: .manifest, .provider,
      help: "how long a routine may take in a worker before that is killed; without it the deadline and 5 s")
    Setting(
      "order", .number(-1_000_000...1_000_000), \.order, in: .manifest, .provider,
      help: "providers with a smaller number are asked first; 0 without it")
    Setting(
      "memory-mb", .mebibytes, \.confinement.memory, in: .manifest, .provider, .worker,
      help: "what its worker may allocate besides what it begins with")
    Setting(
      "cpu-seconds", .number(1...(1 << 30)), \.confinement.processorSeconds, in: .manifest, .provider, .worker,
      help: "how much processor time its worker may take, in all")
    Setting(
      "descriptors", .number(1...(1 << 30)), \.confinement.descriptors, in: .manifest, .provider, .worker,
      help: "how many descriptors its worker may open besides those that it begins with")
    Setting(
      "processes", .number(0...(1 << 30)), \.confinement.processes, in: .manifest, .provider, .worker,
      help: "how many children its worker may have; 0: none, and no other program")
    Setting(
      "user", .text("the name of a user, in quotes") { !$0.hasPrefix("-") }, \.confinement.user, in: .manifest, .provider,
      .worker,
      help: "the user that its worker goes on as")
    Setting(
      "allow-read", .list(of: .path, "absolute paths"), \.confinement.readable, in: .manifest, .provider, .worker,
      help: "what its worker can read; it can write nothing then")
    Setting(
      "allow-connect", .list(of: .connection, "\"tcp:PORT\", \"tcp:*\", \"udp:*\", \"unix:*\" or \"unix:/PATH\""),
      \.confinement.reachable, in: .manifest, .provider, .worker, help: "what its worker can connect to")
    Setting.users("users", \.access, in: .provider, help: "whose queries and registrations it gets; without it everybody's")
    Setting.groups("groups", \.access, in: .provider, help: "of which groups it gets queries and registrations")
    Setting.users("advertisers", \.advertisers, in: .provider, help: "who may serve it from a program of theirs")
    Setting.groups("advertiser-groups", \.advertisers, in: .provider, help: "which groups may serve it from a program of theirs")
    Setting(
      "serves", .choice(["user": false, "everybody": true]), \.servesEverybody, in: .provider,
      help: "whom a program of one of its advertisers serves")
    Setting("registrars", .registrars, \.registrars, in: .provider, help: "who may register which names with it for everybody")
    Setting(
      "shared", .truth, \.isShared, in: .provider, help: "whether what anybody registers with it counts for everybody")
    Setting(
      "accepts", .accepted, \.accepts, in: .manifest, help: "which settings of its own the provider has, each with its kind")
    Setting(
      "settings", .own, in: [.manifest, .provider, .worker], help: "the provider's own settings", get: \.settings,
      set: { $0.settings.merge($1) { _, given in given } })
  }

  /// From the text of a sidecar. Keys that it leaves out have the value that the file itself gives, in `base`; keys that start with
  /// `x-` are the provider's own.
  init(toml text: String, path: String, over base: Manifest) throws(Problems) {
    let table: TOMLTable
    do throws(Problem) { table = try BoundedTOML.table(text, path: path) } catch { throw Problems([error]) }
    self = base
    source = .sidecar(path)
    var findings = Findings()
    for given in Self.table.read(table, as: .manifest, &findings, except: { $0.hasPrefix("x-") }) { given.change(&self) }
    if table["serialise"]?.bool == true, let concurrency, concurrency != 1 {
      findings.refuse(
        value: String(concurrency), at: "concurrency", as: "what serialise = true means",
        help: "leave one of them out: serialise = true means concurrency = 1")
    }
    if let strange = nameSpaces.listed?.first(where: { !nameSpaces.serve($0) }) {
      findings.refuse(value: "\(strange)", at: "listed", as: "a name space that the provider serves", help: "add it to namespace")
    }
    check(settings, at: "settings", &findings)
    let problems = findings.problems(in: text, path: path)
    guard problems.isEmpty else { throw Problems(problems) }
  }
}

// MARK: Kinds

extension SettingKind<GUID> {
  static var guid: SettingKind { SettingKind("a GUID in quotes") { $0.string.flatMap { GUID($0) } } }
}

extension SettingKind<NameSpace> {
  static var nameSpace: SettingKind {
    SettingKind("the name or number of a name space") { found in
      found.string.flatMap { NameSpace($0) } ?? found.int.flatMap { UInt32(exactly: $0) }.map(NameSpace.init(rawValue:))
    }
  }
}

extension SettingKind<ServedNameSpaces> {
  static var served: SettingKind {
    let text = "the name or number of a name space, or a list of these, each once, \"all\" and \"email\" not among others"
    return SettingKind(
      text, parts: { [("", ([$0.primary] + $0.further).map(\.description).joined(separator: ", "))] },
      reading: { written, findings in
        let spaces = (written.elements ?? [written]).map { SettingKind<NameSpace>.nameSpace.read($0, &findings) }
        guard !spaces.contains(nil) else { return nil }
        let served = ServedNameSpaces(spaces.compactMap(\.self))
        if served == nil { findings.refuse(written, as: text) }
        return served
      })
  }
}

extension SettingKind<[NameSpace]> {
  static var listed: SettingKind {
    let kind = SettingKind.list(of: .nameSpace, "name spaces that the provider serves, each once, \"all\" not among them")
    return SettingKind(kind.text, parts: kind.show) { written, findings in
      guard let listed = kind.read(written, &findings) else { return nil }
      let isGood = !listed.isEmpty && Set(listed).count == listed.count && !listed.contains(.all)
      if !isGood { findings.refuse(written, as: kind.text) }
      return isGood ? listed : nil
    }
  }
}

extension SettingKind<Manifest.DomainClaim> {
  static var domain: SettingKind {
    SettingKind("\"example.org=primary\", \"example.org=secondary\" or \"*\"") { $0.string.flatMap { Manifest.DomainClaim($0) } }
  }
}

extension SettingKind<Manifest.Isolation> {
  public static var isolation: SettingKind { .choice(["in-process": .inProcess, "worker": .worker]) }
}

extension SettingKind<Int> {
  static var mebibytes: SettingKind {
    let kind = SettingKind.number(1...(1 << 30))
    return SettingKind(
      kind.text, show: { String($0 >> 20) }, write: { $0 >> 20 },
      read: { written in
        written.int.flatMap { (1...(1 << 30)).contains($0) ? $0 << 20 : nil }
      })
  }
}

extension SettingKind<String> {
  static var connection: SettingKind {
    .text("\"tcp:PORT\", \"tcp:*\", \"udp:*\", \"unix:*\" or \"unix:/PATH\"") { text in
      if ["tcp:*", "udp:*", "unix:*"].contains(text) || text.hasPrefix("unix:/") { return true }
      return text.hasPrefix("tcp:") && UInt16(text.dropFirst(4)).map { $0 > 0 } == true
    }
  }
}

extension SettingKind<Manifest.Settings> {
  static var own: SettingKind {
    SettingKind(
      "a table of settings",
      parts: { $0.map { (".\(TOMLPositions.place($0.key, in: ""))", $0.value.joined(separator: ", ")) } },
      writing: { settings in TOMLTable(settings.mapValues { TOMLArray($0) }) },
      reading: { written, findings in
        guard let table = written.value.table else {
          findings.refuse(written, as: "a table of settings")
          return nil
        }
        var settings: Manifest.Settings = [:]
        let text = SettingKind<String>("text, a number, true or false, without NUL and not empty") { value in
          let text = value.string ?? value.int.map(String.init) ?? value.bool.map(String.init)
          return text.flatMap { $0.isEmpty || $0.utf8.contains(0) ? nil : $0 }
        }
        for key in table.keys {
          let place = TOMLPositions.place(key, in: written.place)
          guard !key.isEmpty, let value = table[key] else {
            findings.refuse(key: place, "\(place): a setting without a name", help: "give it one")
            continue
          }
          let one = WrittenValue(value, key: place, place: place, help: "write one value, or a list of them")
          settings[key] = (one.elements ?? [one]).compactMap { text.read($0, &findings) }
        }
        return settings
      })
  }
}
