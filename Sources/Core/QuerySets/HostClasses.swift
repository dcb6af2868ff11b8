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

  /// What is registered with a provider (`NSP_REGISTRATIONS`, nsphost.h): the host's question, for operators.
  public static let registrations = GUID(
    Data1: 0x6d1f_2c8f, Data2: 0x0b7a, Data3: 0x4f53, Data4: (0x9b, 0x1e, 0x6a, 0x2f, 0x0c, 0x4d, 0x9e, 0x31))
}
