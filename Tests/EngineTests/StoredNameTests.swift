import Foundation
import MailProtocols
import Testing

@testable import Engine

@Suite("Names of mailboxes as they are stored") struct StoredNameTests {
  @Test func `every name comes back as it was, and no two are the same text`() {
    let names: [[UInt8]] = [
      Array("INBOX".utf8), Array("Entw&APw-rfe".utf8), Array("Entwürfe".utf8), [],
      // Latin-1, other bytes that are no UTF-8, and NUL.
      [0x45, 0x6E, 0x74, 0x77, 0xFC], [0x45, 0x6E, 0x74, 0x77, 0xFD], [0xC3], [0x61, 0, 0x62],
      Array("ab".utf8), [0], [1, 0x35], [2, 0x61], [0xC4, 0x80],
      // Composed and decomposed.
      Array("Café".precomposedStringWithCanonicalMapping.utf8),
      Array("Café".decomposedStringWithCanonicalMapping.utf8),
    ]
    var stored: Set<String> = []
    for name in names {
      let text = MailboxName(encoded: name).stored
      #expect(MailboxName(stored: text).encoded == name)
      #expect(stored.insert(text).inserted)
      #expect(!text.unicodeScalars.contains("\0"))
    }
    #expect(MailboxName("Entwürfe").stored == "Entw&APw-rfe")
  }
}
