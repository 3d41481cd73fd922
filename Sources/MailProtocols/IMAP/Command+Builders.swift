import Bytes

extension IMAPCommand {
  package static let capability = IMAPCommand("CAPABILITY")
  package static let noop = IMAPCommand("NOOP")
  package static let namespace = IMAPCommand("NAMESPACE")
  package static let logout = IMAPCommand("LOGOUT", kind: .logout)
  package static let startTLS = IMAPCommand("STARTTLS", kind: .startTLS)
  package static let unselect = IMAPCommand("UNSELECT", kind: .unselect)
  /// Leaves the open mailbox, and expunges unless it was opened for reading only: see `unselect`.
  package static let closeMailbox = IMAPCommand("CLOSE", kind: .unselect)
  /// RFC 4978.
  package static let compress = IMAPCommand("COMPRESS DEFLATE")
  package static let idle = IMAPCommand("IDLE", kind: .idle)
  /// Removes **every** message that carries `\Deleted`, whoever set it: see `IMAPClient`.
  package static let expungeAll = IMAPCommand("EXPUNGE")

  /// LOGIN: only under TLS, unless the account says otherwise.
  package static func login(username: String, password: String) -> IMAPCommand {
    IMAPCommand("LOGIN", kind: .login) {
      $0.text(" ")
      $0.string(username)
      $0.text(" ")
      $0.string(password)
    }
  }

  /// AUTHENTICATE (RFC 3501 §6.2.2), with the initial response where the server takes one (RFC 4959).
  package static func authenticate(
    _ mechanism: SASLMechanism,
    initialResponse: [UInt8]?
  ) -> IMAPCommand {
    IMAPCommand("AUTHENTICATE", kind: .authenticate) {
      $0.text(" \(mechanism.rawValue)")
      guard let initialResponse else { return }
      // An empty one is written as a sign, to tell it from none (RFC 4959 §3).
      $0.text(initialResponse.isEmpty ? " =" : " ")
      $0.text(String(utf8: Base64.standard.encode(initialResponse.span).span))
    }
  }

  /// ID (RFC 2971): who we are, or NIL.
  package static func id(_ fields: [(name: String, value: String)]) -> IMAPCommand {
    IMAPCommand("ID") {
      $0.text(fields.isEmpty ? " NIL" : " (")
      for (index, field) in fields.enumerated() {
        if index > 0 { $0.text(" ") }
        $0.string(field.name)
        $0.text(" ")
        $0.string(field.value)
      }
      if !fields.isEmpty { $0.text(")") }
    }
  }

  /// `ENABLE` (RFC 5161).
  package static func enable(_ capabilities: [IMAPCapability]) -> IMAPCommand {
    IMAPCommand("ENABLE") {
      for capability in capabilities { $0.text(" \(capability.rawValue)") }
    }
  }

  /// LIST, with `RETURN (…)` where options are given (RFC 5258).
  package static func list(
    reference: String,
    pattern: String,
    returning options: [String] = [],
    status: [StatusItem] = []
  ) -> IMAPCommand {
    IMAPCommand("LIST") {
      $0.text(" ")
      $0.mailbox(MailboxName(reference))
      $0.text(" ")
      $0.mailbox(MailboxName(pattern))
      var all = options
      if !status.isEmpty { all.append("STATUS \(statusList(status))") }
      if !all.isEmpty { $0.text(" RETURN (\(all.joined(separator: " ")))") }
    }
  }

  /// `LSUB`, for servers without LIST-EXTENDED.
  package static func listSubscribed(reference: String, pattern: String) -> IMAPCommand {
    IMAPCommand("LSUB") {
      $0.text(" ")
      $0.mailbox(MailboxName(reference))
      $0.text(" ")
      $0.mailbox(MailboxName(pattern))
    }
  }

  /// `STATUS` of one mailbox.
  package static func status(_ mailbox: MailboxName, _ items: [StatusItem]) -> IMAPCommand {
    IMAPCommand("STATUS") {
      $0.text(" ")
      $0.mailbox(mailbox)
      $0.text(" \(statusList(items))")
    }
  }

  private static func statusList(_ items: [StatusItem]) -> String {
    "(\(items.map(\.rawValue).joined(separator: " ")))"
  }

  /// SELECT, or EXAMINE for reading only.
  package static func select(
    _ mailbox: MailboxName,
    readOnly: Bool,
    condStore: Bool
  ) -> IMAPCommand {
    IMAPCommand(readOnly ? "EXAMINE" : "SELECT", kind: .select(mailbox)) {
      $0.text(" ")
      $0.mailbox(mailbox)
      if condStore { $0.text(" (CONDSTORE)") }
    }
  }

  /// `CREATE`.
  package static func create(_ mailbox: MailboxName) -> IMAPCommand { named("CREATE", mailbox) }
  /// `DELETE` of a mailbox.
  package static func delete(_ mailbox: MailboxName) -> IMAPCommand { named("DELETE", mailbox) }
  /// `SUBSCRIBE`.
  package static func subscribe(_ mailbox: MailboxName) -> IMAPCommand {
    named("SUBSCRIBE", mailbox)
  }
  /// `UNSUBSCRIBE`.
  package static func unsubscribe(_ mailbox: MailboxName) -> IMAPCommand {
    named("UNSUBSCRIBE", mailbox)
  }

  private static func named(_ name: String, _ mailbox: MailboxName) -> IMAPCommand {
    IMAPCommand(name) {
      $0.text(" ")
      $0.mailbox(mailbox)
    }
  }

  /// `RENAME`, which takes the mailboxes below along.
  package static func rename(_ mailbox: MailboxName, to name: MailboxName) -> IMAPCommand {
    IMAPCommand("RENAME") {
      $0.text(" ")
      $0.mailbox(mailbox)
      $0.text(" ")
      $0.mailbox(name)
    }
  }

  /// UID FETCH of `items`, written as they are sent, without the parentheses.
  package static func fetch(_ uids: UIDSet, _ items: String) -> IMAPCommand {
    IMAPCommand("UID FETCH") {
      $0.text(" ")
      $0.set(uids)
      $0.text(" (\(items))")
    }
  }

  /// UID FETCH of one section, whose literal is handed on in pieces if it is great.
  package static func fetchBody(_ uid: UID, _ section: BodySection) -> IMAPCommand {
    IMAPCommand("UID FETCH", kind: .body) { $0.text(" \(uid) (UID \(section.item))") }
  }

  /// UID FETCH of the flags that changed since `modSeq` (RFC 7162 §3.1.4.1).
  package static func fetchFlags(changedSince modSeq: ModSeq) -> IMAPCommand {
    IMAPCommand("UID FETCH") { $0.text(" 1:* (UID FLAGS) (CHANGEDSINCE \(modSeq))") }
  }

  /// UID STORE; the answer to a silent one does not repeat the flags.
  package static func store(
    _ uids: UIDSet,
    _ change: StoreChange,
    _ flags: [Flag],
    silent: Bool
  ) -> IMAPCommand {
    IMAPCommand("UID STORE") {
      $0.text(" ")
      $0.set(uids)
      $0.text(" \(change.rawValue)\(silent ? ".SILENT" : "") ")
      $0.flags(flags)
    }
  }

  /// `UID COPY`.
  package static func copy(_ uids: UIDSet, to mailbox: MailboxName) -> IMAPCommand {
    moving("UID COPY", uids, mailbox)
  }

  /// `UID MOVE` (RFC 6851).
  package static func move(_ uids: UIDSet, to mailbox: MailboxName) -> IMAPCommand {
    moving("UID MOVE", uids, mailbox)
  }

  private static func moving(
    _ name: String,
    _ uids: UIDSet,
    _ mailbox: MailboxName
  ) -> IMAPCommand {
    IMAPCommand(name) {
      $0.text(" ")
      $0.set(uids)
      $0.text(" ")
      $0.mailbox(mailbox)
    }
  }

  /// UID EXPUNGE (RFC 4315): removes only those of `uids` that carry `\Deleted`.
  package static func expunge(_ uids: UIDSet) -> IMAPCommand {
    IMAPCommand("UID EXPUNGE") {
      $0.text(" ")
      $0.set(uids)
    }
  }

  /// UID SEARCH, with `RETURN (ALL)` where the server answers in ranges (RFC 4731).
  package static func search(
    _ criteria: SearchCriteria,
    extended: Bool,
    charset: SearchCharset = .utf8
  ) -> IMAPCommand {
    IMAPCommand("UID SEARCH") {
      if extended { $0.text(" RETURN (ALL)") }
      if criteria.needsCharset {
        if charset == .utf8 { $0.charset() } else { $0.text(" CHARSET ISO-8859-1") }
      }
      $0.text(" ")
      criteria.write(in: charset, to: &$0)
    }
  }

  /// APPEND of a message of `count` bytes, which the driver sends when the session asks for them.
  package static func append(
    to mailbox: MailboxName,
    flags: [Flag],
    internalDate: InternalDate?,
    count: Int,
    hasUTF8Header: Bool = false
  ) -> IMAPCommand {
    IMAPCommand("APPEND") {
      $0.text(" ")
      $0.mailbox(mailbox)
      $0.text(" ")
      if !flags.isEmpty {
        $0.flags(flags)
        $0.text(" ")
      }
      if let internalDate {
        $0.date(internalDate)
        $0.text(" ")
      }
      if hasUTF8Header { $0.text("UTF8 (~") }  // RFC 6855 §4.
      $0.streamedLiteral(count: count)
      if hasUTF8Header { $0.text(")") }
    }
  }
}

/// What STORE does to a message's flags.
package enum StoreChange: String, Sendable {
  case add = "+FLAGS"
  case remove = "-FLAGS"
  case replace = "FLAGS"
}

/// The part of a message that FETCH is asked for; reading it never sets `\Seen`.
package struct BodySection: Hashable, Sendable {
  /// The whole item, such as `BODY.PEEK[1.2]<0.1000>`.
  package let item: String

  private init(_ item: String) { self.item = item }

  /// The whole message.
  package static let message = BodySection("BODY.PEEK[]")
  /// The message's header.
  package static let header = BodySection("BODY.PEEK[HEADER]")
  /// All after the message's header.
  package static let text = BodySection("BODY.PEEK[TEXT]")

  /// The part at `path`, in its transfer encoding.
  package static func part(_ path: PartPath) -> BodySection { BodySection("BODY.PEEK[\(path)]") }

  /// The MIME header of the part at `path`.
  package static func mimeHeader(_ path: PartPath) -> BodySection {
    BodySection("BODY.PEEK[\(path).MIME]")
  }

  /// The header of the message embedded at `path`.
  package static func embeddedHeader(_ path: PartPath) -> BodySection {
    BodySection("BODY.PEEK[\(path).HEADER]")
  }

  /// The part at `path`, the transfer encoding taken off by the server (RFC 3516).
  package static func binary(_ path: PartPath) -> BodySection {
    BodySection("BINARY.PEEK[\(path)]")
  }

  /// At most `count` bytes of it, from byte `offset` on.
  package func bytes(from offset: Int, count: Int) -> BodySection {
    BodySection("\(item)<\(offset).\(count)>")
  }
}
