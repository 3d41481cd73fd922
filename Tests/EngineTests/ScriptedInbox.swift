import TestSupport

/// Steps of a server that has only an inbox, of UIDVALIDITY 7, and can do nothing but IMAP4rev1.
enum ScriptedInbox {
  typealias Step = ScriptedServer.Step

  static let login: [Step] = [
    .send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"), .expect("A"),
    .send("{tag} OK [CAPABILITY IMAP4rev1] logged in\r\n"),
  ]

  /// The answers by which a mailbox is left where there is no UNSELECT.
  static let leave: [Step] = [
    .expect("EXAMINE"), .send("* 0 EXISTS\r\n{tag} OK [READ-ONLY] x\r\n"),
    .expect("CLOSE"), .send("{tag} OK x\r\n"),
  ]

  /// The answers to LIST, LSUB and STATUS.
  static func list(exists: Int, uidNext: Int) -> [Step] {
    [
      .expect("LIST"), .send("* LIST () \"/\" INBOX\r\n{tag} OK x\r\n"), .expect("LSUB"),
      .send("{tag} OK x\r\n"), .expect("STATUS"),
      .send(
        "* STATUS INBOX (MESSAGES \(exists) UIDNEXT \(uidNext) UIDVALIDITY 7 UNSEEN \(exists))\r\n"
          + "{tag} OK x\r\n"
      ),
    ]
  }

  static func select(exists: Int, uidNext: Int) -> [Step] {
    [
      .expect("SELECT"),
      .send(
        "* \(exists) EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT \(uidNext)] x\r\n"
          + "{tag} OK [READ-WRITE] x\r\n"
      ),
    ]
  }

  /// The answer to a SEARCH of all messages; nil leaves the result out.
  static func search(_ result: String?) -> [Step] {
    [
      .expect("UID SEARCH ALL"),
      .send((result.map { "* SEARCH \($0)\r\n" } ?? "") + "{tag} OK x\r\n"),
    ]
  }

  /// The answer to the sync FETCH of one message.
  static func fetch(_ uid: Int) -> [Step] {
    [
      .expect("UID FETCH \(uid) "),
      .send(
        "* \(uid) FETCH (UID \(uid) FLAGS () RFC822.SIZE \(uid) "
          + "ENVELOPE (NIL \"\(uid)\" NIL NIL NIL NIL NIL NIL NIL NIL) "
          + "BODY[HEADER.FIELDS (X)] \"\")\r\n{tag} OK x\r\n"
      ),
    ]
  }

  /// The answer to a FETCH of all flags, of one message.
  static let flags: [Step] = [
    .expect("(UID FLAGS)"), .send("* 1 FETCH (UID 1 FLAGS ())\r\n{tag} OK x\r\n"),
  ]
}
