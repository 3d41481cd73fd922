import Testing

@testable import MailProtocols

@Suite("IMAP quick resynchronisation (RFC 7162)") struct ResyncTests {
  private static let point = ResyncPoint(
    uidValidity: 67_890_007,
    modSeq: ModSeq(90_060_115_194_045_000)
  )

  private func wire(_ point: ResyncPoint) throws -> String {
    try Wire.output(.select(.inbox, readOnly: false, since: point))
  }

  @Test func `SELECT says what is known`() throws {
    var point = Self.point
    let start = #"A1 SELECT "INBOX" (QRESYNC (67890007 90060115194045000"#
    #expect(try wire(point) == start + "))\r\n")
    point.uids = UIDSet([41, 43, 44, 45])
    #expect(try wire(point) == start + " 41,43:45))\r\n")
    point.matches = SequenceMatch(of: UIDSet([41, 43, 44, 45]))
    #expect(try wire(point) == start + " 41,43:45 (1,3:4 41,44:45)))\r\n")
    point.uids = UIDSet()
    #expect(try wire(point) == start + "))\r\n")
    let examine = IMAPCommand.select(.inbox, readOnly: true, since: Self.point)
    #expect(try Wire.output(examine).hasPrefix("A1 EXAMINE"))
  }

  @Test func `a set too long for a command is sent as the range around it`() throws {
    var point = Self.point
    point.uids = UIDSet((1...3000).map { UID($0 * 2) })
    #expect(try wire(point).hasSuffix("90060115194045000 2:6000))\r\n"))
  }

  @Test func `a sample of places is sparser the further back`() {
    let match = SequenceMatch(of: UIDSet(UID(101)...UID(200)))
    #expect(match.sequenceNumbers == UIDSet([100, 99, 97, 93, 85, 69, 37]))
    #expect(match.uids == UIDSet([200, 199, 197, 193, 185, 169, 137]))
    #expect(SequenceMatch(of: UIDSet()).uids.isEmpty)
    #expect(SequenceMatch(of: .all).uids.isEmpty)
  }

  @Test func `UID FETCH asks for what vanished`() throws {
    let command = IMAPCommand.fetchFlags(
      UIDSet(UID(300)...UID(500)),
      changedSince: ModSeq(12345),
      vanished: true
    )
    #expect(
      try Wire.output(command)
        == "A1 UID FETCH 300:500 (UID FLAGS) (CHANGEDSINCE 12345 VANISHED)\r\n"
    )
  }

  @Test func `the session knows what is enabled`() throws {
    var session = IMAPSession()
    _ = try Wire.events(Array(Wire.greeting.utf8), into: &session)
    _ = session.send(.enable([.qresync]))
    _ = try Wire.events(Array("* ENABLED QRESYNC CONDSTORE\r\nA1 OK\r\n".utf8), into: &session)
    #expect(session.enabled == [.qresync, .condStore])
  }

  @Test(arguments: [
    ("", "", "", ""), ("1:10", "", "", "1:10"), ("1:10", "5", "5", "1:4,6:10"),
    ("1:10", "1:10", "1:10", ""), ("1:10", "5:20", "5:10", "1:4"),
    ("5:10", "1:6,8,10:12", "5:6,8,10", "7,9"), ("1:3,7:9,20", "2:8", "2:3,7:8", "1,9,20"),
    ("1:*", "5:*", "5:*", "1:4"), ("5:*", "1:6", "5:6", "7:*"), ("3", "1:2,4", "", "3"),
  ])
  func `sets are cut and subtracted`(
    left: String,
    right: String,
    both: String,
    rest: String
  ) throws {
    let (left, right) = (try set(left), try set(right))
    #expect(left.intersection(right).description == both)
    #expect(right.intersection(left).description == both)
    #expect(left.subtracting(right).description == rest)
    var union = left.subtracting(right)
    union.formUnion(left.intersection(right))
    #expect(union == left)
  }

  private func set(_ text: String) throws -> UIDSet {
    guard !text.isEmpty else { return UIDSet() }
    guard case .vanished(let set, _) = try Wire.response("VANISHED \(text)") else {
      return UIDSet()
    }
    return set
  }
}
