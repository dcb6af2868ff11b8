import QuerySets
import Testing

/// What providers say of registrations.
@Suite struct RegistrationBlobTests {
  @Test("everything that is said of a registration comes through, and nothing that is not")
  func round() {
    var blob = RegistrationBlob(userID: 4711)
    #expect(RegistrationBlob(blob.bytes) == blob && blob.bytes.count == 48)
    (blob.processID, blob.serviceClass, blob.endsWithSession) = (12, .hostName, true)
    #expect(RegistrationBlob(blob.bytes) == blob)
    (blob.registered, blob.expires, blob.isDeregistered) = (1_700_000_000, 4_102_444_800, true)
    #expect(RegistrationBlob(blob.bytes) == blob)
    // A class of zeroes is one.
    blob.serviceClass = .zero
    #expect(RegistrationBlob(blob.bytes)?.serviceClass == .zero)
  }

  @Test("a blob of another kind is none")
  func others() {
    let bytes = RegistrationBlob(userID: 1).bytes
    #expect(RegistrationBlob(Array(bytes.dropLast())) == nil && RegistrationBlob([]) == nil)
    #expect(RegistrationBlob([49] + bytes.dropFirst()) == nil)
    #expect(RegistrationBlob(bytes + [1, 2, 3]) != nil)
  }

  @Test(
    "whose registrations are asked for",
    arguments: [
      (nil, nil), ("", nil), ("user=0", 0), ("user=4294967295", .max), ("user=", nil), ("user=-1", nil), ("users=1", nil),
    ]
      as [(String?, UInt32?)])
  func users(_ text: String?, _ expected: UInt32?) { #expect(RegistrationBlob.user(in: text) == expected) }
}
