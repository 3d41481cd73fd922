import MIME
import Testing

@Suite("Base subjects (RFC 5256 §2.1)") struct BaseSubjectTests {
  @Test(arguments: [
    ("Lunch", "lunch", false), ("Re: Lunch", "lunch", true),
    ("RE:re: Fwd: FW:Lunch", "lunch", true),
    ("Re[2]: Lunch", "lunch", true), ("Re [ 2 ] : Lunch", "lunch", true),
    ("Re [2]: Lunch", "lunch", true), ("[list] Lunch", "lunch", false),
    ("[list] Re: [list] Lunch", "lunch", true), ("[list]", "[list]", false),
    ("Re: [list]", "[list]", true), ("Lunch (fwd)", "lunch", true),
    ("Lunch (fwd) (FWD)  ", "lunch", true),
    ("[Fwd: Lunch]", "lunch", true), ("[fwd: [list] Re: Lunch (fwd)]", "lunch", true),
    ("  a \t b\r\n c ", "a b c", false), ("", "", false), ("Re:", "", true), ("(fwd)", "", true),
    ("Reply: x", "reply: x", false), ("Rex: y", "rex: y", false), ("[", "[", false),
    ("[a[b] c", "[a[b] c", false), ("Re: Größe", "größe", true), ("Re: ПРИВЕТ", "привет", true),
    ("ΟΔΌΣ", "οδόσ", false),
    ("οδός", "οδόσ", false), ("Re: ÜNÏCODE", "ünïcode", true), ("[fwd:]", "", true),
  ])
  func `marks of replies and forwards come off`(_ subject: String, _ base: String, _ isReply: Bool)
  {
    let bytes = Array(subject.utf8)
    let found = BaseSubject(of: bytes.span)
    #expect(String(decoding: found.bytes, as: UTF8.self) == base)
    #expect(found.isReply == isReply)
  }

  @Test func `a long subject of marks is read in time`() {
    let bytes = Array(String(repeating: "re: [x] ", count: 20_000).utf8)
    #expect(BaseSubject(of: bytes.span).isReply)
    let brackets = Array(String(repeating: "[", count: 200_000).utf8)
    #expect(!BaseSubject(of: brackets.span).isReply)
  }
}
