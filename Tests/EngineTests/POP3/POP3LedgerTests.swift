import MailProtocols
import MailTransport
import Store
import Testing

@testable import Engine

@Suite("What is known of a POP3 server") struct POP3LedgerTests {
  private static func identity(_ name: String) -> POP3ContentIdentity {
    POP3ContentIdentity(letter(name))
  }

  private func known(_ id: String, _ name: String, ordinal: Int = 1, isGone: Bool = false)
    -> ServerMessage
  {
    let identity = Self.identity(name)
    var message = ServerMessage(
      key: ServerMessage.Key(uniqueID: Array(id.utf8), ordinal: ordinal),
      state: .kept,
      digest: identity.digest,
      headerDigest: identity.headerDigest
    )
    message.isGone = isGone
    return message
  }

  private func listed(_ ids: String...) -> [POP3ListedMessage] {
    ids.enumerated().map { index, id in
      POP3ListedMessage(
        number: POP3MessageNumber(UInt32(index + 1)),
        uniqueID: POP3UniqueID(id),
        ordinal: ids[...index].count { $0 == id }
      )
    }
  }

  @Test func `an id that is one message's says which it is`() {
    var ledger = POP3Ledger([known("x", "a"), known("y", "b")], listed("y", "z"))
    #expect(ledger.candidates.map(\.listed.uniqueID) == [POP3UniqueID("z")])
    #expect(!ledger.hasOtherIDs && ledger.hasUnfound)
    let isKnown = ledger.find(ledger.candidates[0].listed, Self.identity("c"), hasEnd: true)
    #expect(!isKnown)
    ledger.finish()
    #expect(ledger.changes.gone.map(\.uniqueID) == [Array("x".utf8)])
  }

  @Test func `a message with another id is the one that was known, once`() {
    let list = listed("new1", "new2")
    var ledger = POP3Ledger([known("old", "a")], list)
    #expect(ledger.hasOtherIDs)
    let found = list.map { ledger.find($0, Self.identity("a"), hasEnd: true) }
    #expect(found == [true, false])
    #expect(ledger.changes.renamed.count == 1)
    let key = ledger.newKey(list[1], Self.identity("a"))
    #expect(key.ordinal == 1)
    ledger.finish()
    #expect(ledger.changes.gone.isEmpty)
  }

  @Test func `of copies each counts once, and what is gone is taken last`() {
    let list = listed("s", "s", "s")
    var ledger = POP3Ledger(
      [known("s", "a", isGone: true), known("s", "a", ordinal: 2), known("s", "b", ordinal: 3)],
      list
    )
    #expect(ledger.candidates.count == 3)
    let header = Self.identity("a").headerDigest ?? []
    let first = ledger.find(list[0], header: header)
    #expect(first && ledger.changes.renamed.isEmpty)
    let second = ledger.find(list[1], header: header)
    #expect(second && ledger.changes.renamed.map(\.old.ordinal) == [1])
    let third = ledger.find(list[2], header: header)
    let key = ledger.newKey(list[2], Self.identity("c"))
    #expect(!third && key.ordinal == 4)
  }

  @Test func `status fields and what was not sent by anybody tell nothing`() {
    let letter = letter("a")
    let noted = Array("Status: RO\r\nX-UIDL: 7\r\n folded\r\n".utf8) + letter
    #expect(POP3ContentIdentity(noted) == POP3ContentIdentity(letter))
    let behind = letter.dropLast(5) + Array("X-Keywords: x\r\n\r\nx\r\n".utf8)
    #expect(POP3ContentIdentity(Array(behind)) == POP3ContentIdentity(letter))
    #expect(POP3ContentIdentity(Array("Subject: x\r\n\r\nx\r\n".utf8)).headerDigest == nil)
    #expect(POP3ContentIdentity([]).headerDigest == nil)
    let top = Array(letter.dropLast(3))
    #expect(POP3ContentIdentity(top).headerDigest == POP3ContentIdentity(letter).headerDigest)
    #expect(POP3ContentIdentity(top).digest != POP3ContentIdentity(letter).digest)
  }
}
