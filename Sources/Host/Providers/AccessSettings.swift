import BoundedTOML
import Glibc
import SettingsTable
import TOMLKit

extension Setting {
  /// Users that are in a list: with the groups of another setting they are all that are.
  public static func users(
    _ key: String, _ list: WritableKeyPath<Target, AccessList?> & Sendable, in places: SettingPlace..., help: String
  ) -> Setting {
    Setting(key, .users, in: places, help: help) { target, users in
      var access = target[keyPath: list] ?? AccessList()
      access.users = users
      target[keyPath: list] = access
    }
  }

  public static func groups(
    _ key: String, _ list: WritableKeyPath<Target, AccessList?> & Sendable, in places: SettingPlace..., help: String
  ) -> Setting {
    Setting(key, .groups, in: places, help: help) { target, groups in
      var access = target[keyPath: list] ?? AccessList()
      access.groups = groups
      access.members = Set(groups.flatMap(memberIDs))
      target[keyPath: list] = access
    }
  }
}

extension SettingKind<Set<UInt32>> {
  static var users: SettingKind { ids("users", "user", "passwd") { getpwnam($0)?.pointee.pw_uid } }
  static var groups: SettingKind { ids("groups", "group", "group") { getgrnam($0)?.pointee.gr_gid } }

  private static func ids(
    _ plural: String, _ noun: String, _ database: String, _ named: @escaping @Sendable (String) -> UInt32?
  ) -> SettingKind {
    let element = SettingKind<UInt32>(
      "the name or number of a \(noun)", parts: { [("", "\($0)")] },
      reading: { written, findings in
        if let id = written.value.int.flatMap({ UInt32(exactly: $0) }) ?? written.value.string.flatMap(named) { return id }
        findings.refuse(
          written, "there is no \(noun) \(written.text)", help: "use a name or number that `getent \(database)` knows")
        return nil
      })
    let list = SettingKind<[UInt32]>.list(of: element, "\(plural), by name or number")
    return SettingKind(list.text, parts: { list.show($0.sorted()) }, reading: { list.read($0, &$1).map { Set($0) } })
  }
}

private func memberIDs(_ group: UInt32) -> [UInt32] {
  guard var name = getgrgid(group)?.pointee.gr_mem else { return [] }
  var names: [String] = []
  while let member = name.pointee {
    names.append(String(cString: member))
    name += 1
  }
  return names.compactMap { getpwnam($0)?.pointee.pw_uid }
}

// MARK: Registrars

extension RegistrarRule {
  /// One rule, while it is read.
  fileprivate struct Draft {
    var registrars: AccessList?
    var names = [Names("*")].compactMap(\.self)
  }

  fileprivate static let table = SettingsTable<Draft> {
    Setting.users("users", \.registrars, in: .provider, help: "who may register the names")
    Setting.groups("groups", \.registrars, in: .provider, help: "which groups may register the names")
    Setting("names", .registered, \.names, in: .provider, help: "what they may register; without it every name")
  }
}

extension SettingKind<[RegistrarRule.Names]> {
  fileprivate static var registered: SettingKind {
    let element = SettingKind<RegistrarRule.Names>(
      "a name such as \"printer\", \"*.example.org\", \".example.org\" or \"@example.org\"", show: \.text
    ) { $0.string.flatMap { RegistrarRule.Names($0) } }
    let list = list(of: element, "such names")
    return SettingKind(list.text, parts: list.show) { written, findings in
      let names = list.read(written, &findings)
      if names?.isEmpty == true { findings.refuse(written, "it names nothing", help: "leave it out for every name") }
      return names?.isEmpty == true ? nil : names
    }
  }
}

extension SettingKind<[RegistrarRule]> {
  /// Tables with `users`, `groups` or both, and `names`.
  static var registrars: SettingKind {
    let text = "a list of tables such as { users = [\"ann\"], names = [\".example.org\"] }"
    return SettingKind(text, parts: parts) { written, findings in
      guard let elements = written.elements else {
        findings.refuse(written, as: text)
        return nil
      }
      return elements.compactMap { element in
        guard let table = element.value.table else {
          findings.refuse(element, as: "a table such as { users = [\"ann\"], names = [\".example.org\"] }")
          return nil
        }
        var draft = RegistrarRule.Draft()
        for given in RegistrarRule.table.read(table, at: element.place, as: .provider, &findings) { given.change(&draft) }
        if table["users"] == nil, table["groups"] == nil {
          findings.refuse(element, "nobody may register by it", help: "write users, groups or both")
        }
        return draft.registrars.map { RegistrarRule(place: element.place, registrars: $0, names: draft.names) }
      }
    }
  }

  private static func parts(_ rules: [RegistrarRule]) -> [(part: String, text: String)] {
    func text(_ ids: Set<UInt32>) -> String { ids.sorted().map(String.init).joined(separator: ", ") }
    let parts = rules.enumerated().flatMap { index, rule in
      [
        ("[\(index)].users", text(rule.registrars.users)), ("[\(index)].groups", text(rule.registrars.groups)),
        ("[\(index)].names", rule.names.map(\.text).joined(separator: ", ")),
      ].filter { !$0.1.isEmpty }
    }
    return parts.isEmpty ? [("", "")] : parts
  }
}
