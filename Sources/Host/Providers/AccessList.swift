/// Users and groups, as numbers: who may do something.
public struct AccessList: Sendable, Hashable {
  public var users: Set<UInt32>
  public var groups: Set<UInt32>
  /// Those whom the group database names as members of `groups`; read once, so that no session waits for a directory service.
  public var members: Set<UInt32>

  public init(users: Set<UInt32> = [], groups: Set<UInt32> = [], members: Set<UInt32> = []) {
    (self.users, self.groups, self.members) = (users, groups, members)
  }

  /// A group admits those whose primary group it is, and its members.
  public func admits(user: UInt32, group: UInt32) -> Bool {
    users.contains(user) || groups.contains(group) || members.contains(user)
  }
}
