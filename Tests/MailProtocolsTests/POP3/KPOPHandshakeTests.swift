import Testing

@testable import MailProtocols

@Suite("KPOP's handshake") struct KPOPHandshakeTests {
  private let ticket: [UInt8] = [0x6E, 0x01, 0x02]

  /// The events of a server's `bytes`, fed one by one or all at once.
  private func events(_ bytes: [UInt8], piecewise: Bool) -> ([KPOPHandshake.Event], [UInt8]) {
    var handshake = KPOPHandshake()
    var (events, output): ([KPOPHandshake.Event], [UInt8]) = ([], [])
    for piece in piecewise ? bytes.map({ [$0] }) : [bytes] {
      handshake.receive(piece)
      while let event = handshake.next() {
        events.append(event)
        if event == .wantsRequest { handshake.sendRequest(ticket) }
      }
    }
    output = handshake.takeOutput()
    return (events, output)
  }

  @Test func `versions, ticket and proof go as sendauth has them`() {
    let opening = [0, 0, 0, 19] + Array("KRB5_SENDAUTH_V1.0\u{0}".utf8) + [0, 0, 0, 9]
    let sent = opening + Array("KPOPV1.0\u{0}".utf8) + [0, 0, 0, 3] + ticket
    let wire: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 2, 7, 8]
    for piecewise in [false, true] {
      let (events, output) = events(wire, piecewise: piecewise)
      #expect(events == [.wantsRequest, .proof([7, 8], rest: [])])
      #expect(output == sent)
    }
    #expect(
      events(wire + Array("+OK".utf8), piecewise: false).0.last
        == .proof([7, 8], rest: Array("+OK".utf8))
    )
  }

  @Test func `a refused ticket comes with the server's error`() {
    let (events, _) = events([0, 0, 0, 0, 2, 5, 6], piecewise: true)
    #expect(events == [.wantsRequest, .refused(error: [5, 6])])
  }

  @Test(
    arguments: [
      ([1], "another version of sendauth"), ([2], "does not speak KPOPV1.0"), ([3], "by 3"),
      (Array("+OK hi\r\n".utf8), "without Kerberos"), ([0, 0xFF, 0, 0, 0], "of 4278190080 bytes"),
      ([0, 0, 0, 0, 0, 0x7F, 0, 0, 0], "of 2130706432 bytes"),
    ] as [([UInt8], String)]
  )
  func `what is no handshake is told`(_ bytes: [UInt8], _ words: String) {
    guard case .broken(let reason)? = events(bytes, piecewise: false).0.last else {
      Issue.record("not broken")
      return
    }
    #expect(reason.contains(words))
  }
}
