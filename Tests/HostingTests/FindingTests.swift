import Hosting
import QuerySets
import Testing

/// The one rule that makes the answer to a query of what its providers have said (nsp.md §8.4, §8.6).
@Suite struct FindingTests {
  private static let kinds: [Finding] = [
    .found, .down(.late), .down(.quarantined), .failed(.noRecovery), .failed(.refused), .noData, .notFound,
    .rejected(.invalidArgument), .absent(.operationNotSupported), .absent(.accessDenied),
  ]

  /// Every sequence of up to so many elements.
  private static func sequences<Element>(of elements: [Element], upTo count: Int) -> [[Element]] {
    var all: [[Element]] = [[]]
    var last = all
    for _ in 0..<count {
      last = last.flatMap { start in elements.map { start + [$0] } }
      all += last
    }
    return all
  }

  /// The statement of §8.4, a line each.
  private func expected(_ findings: [Finding]) -> WinsockError? {
    func first(_ matches: (Finding) -> WinsockError?) -> WinsockError? { findings.lazy.compactMap(matches).first }
    if findings.contains(.found) { return nil }
    if findings.contains(where: { if case .down = $0 { true } else { false } }) { return .tryAgain }
    if let code = first({ if case .failed(let code) = $0 { code } else { nil } }) { return code }
    if findings.contains(.noData) { return .noData }
    if findings.contains(.notFound) { return .serviceNotFound }
    if let code = first({ if case .rejected(let code) = $0 { code } else { nil } }) { return code }
    return first { if case .absent(let code) = $0 { code } else { nil } } ?? .serviceNotFound
  }

  @Test("NSP-152 NSP-155 all combinations of up to four providers: not found only where nobody is down and nobody has failed")
  func combinations() {
    let all = Self.sequences(of: Self.kinds, upTo: 4)
    #expect(all.count == 11_111)
    for findings in all {
      let answer = Finding.answer(findings)
      #expect(answer == expected(findings), "\(findings)")
      // The order decides between codes of one kind, never whether the name is said to be missing.
      let isMissing = answer == .serviceNotFound || answer == .noData
      let reversed = Finding.answer(findings.reversed())
      #expect((reversed == .serviceNotFound || reversed == .noData) == isMissing, "\(findings)")
    }
  }

  @Test(
    "what the code of one provider says",
    arguments: [
      (10110, .notFound), (10102, .notFound), (10108, .notFound), (11001, .notFound), (11004, .noData),
      (11002, .down(.noAnswerNow(.tryAgain))), (10060, .down(.late)),
      (10050, .down(.noAnswerNow(.networkDown))),
      (10055, .down(.outOfResources(.noBuffers))), (8, .down(.outOfResources(.notEnoughMemory))),
      (10024, .down(.outOfResources(.tooManyOpen))), (10106, .down(.failedStartup(.providerFailedInit))),
      (10045, .absent(.operationNotSupported)), (10013, .absent(.accessDenied)), (10022, .rejected(.invalidArgument)),
      (10109, .rejected(.typeNotFound)), (11003, .failed(.noRecovery)), (10112, .failed(.refused)),
      (10107, .failed(.systemCallFailure)), (10111, .failed(.cancelled)), (4711, .failed(WinsockError(rawValue: 4711))),
    ] as [(Int32, Finding)])
  func codes(code: Int32, expected: Finding) {
    #expect(Finding(WinsockError(rawValue: code)) == expected)
  }

  @Test("each outage has a name and a text of its own, and only the one where time ran out speaks of time")
  func texts() {
    let all: [Outage] = [
      .starting, .restarting, .quarantined, .failing("why"), .failedStartup(.providerFailedInit), .late, .gone,
      .outOfResources(.noBuffers), .noAnswerNow(.tryAgain),
    ]
    #expect(Set(all.map(\.name)).count == all.count && Set(all.map(\.text)).count == all.count)
    #expect(all.filter { $0.text.contains("no answer in time") } == [.late])
    #expect(WinsockError.tryAgain.meaning == "there is no answer for now")
  }

  // MARK: Registrations

  /// The statement of §8.6.
  private func expectedOfRegistration(_ codes: [WinsockError?]) -> WinsockError? {
    if codes.contains(nil) { return nil }
    let codes = codes.compactMap { $0 }
    if codes.contains(.accessDenied) { return .accessDenied }
    let isOutage = { (code: WinsockError) in if case .down = Finding(code) { true } else { false } }
    let isMissing = { (code: WinsockError) in [.noData, .notFound].contains(Finding(code)) }
    return codes.first(where: isOutage) ?? codes.first { !isMissing($0) && $0 != .operationNotSupported }
      ?? codes.first(where: isMissing) ?? codes.first ?? .serviceNotFound
  }

  @Test(
    "NSP-180 all registrations with up to four providers: done, then WSAEACCES, then an error, then that nobody serves such names"
  )
  func registrations() {
    let codes: [WinsockError?] = [
      nil, .accessDenied, .tryAgain, .noBuffers, .invalidArgument, .serviceNotFound, .operationNotSupported,
    ]
    for answers in Self.sequences(of: codes, upTo: 4) {
      #expect(Finding.registrationAnswer(answers) == expectedOfRegistration(answers), "\(answers)")
    }
  }
}
