import CWinsock

// The service classes by which the name-service calls of Winsock ask for hosts (svcguid.h).
extension GUID {
  private static func hostClass(_ number: UInt32) -> GUID {
    GUID(Data1: number, Data2: 0, Data3: 0, Data4: (0xC0, 0, 0, 0, 0, 0, 0, 0x46))
  }

  /// A host, by its name.
  public static let hostName = hostClass(0x2A800)
  /// The names of a host, by its address in text.
  public static let nameOfAddress = hostClass(0x2A801)
  /// A service's port, by name or number and protocol: `http/tcp`, `80/tcp`.
  public static let portOfService = hostClass(0x2A802)
  /// The addresses of a host, by its name.
  public static let addressesOfName = hostClass(0x2A803)
}
