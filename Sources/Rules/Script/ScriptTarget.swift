package import Model

/// Where a script is to run: what its Sieve can do, and the mailboxes that are there.
package struct ScriptTarget: Sendable {
  /// A mailbox that scripts may name.
  package struct Mailbox: Sendable {
    package var id: String
    package var path: String
    /// JMAP's role.
    package var role: String?
    package var delimiter: String?

    package init(id: String, path: String, role: String?, delimiter: String?) {
      self.id = id
      self.path = path
      self.role = role
      self.delimiter = delimiter
    }
  }

  /// The extensions that are advertised; nil where there is no Sieve.
  package var capabilities: Set<String>?
  package var mailboxes: [Mailbox]
  /// The addresses of the account, its identities included.
  package var ownAddresses: [String]
  /// The entries of the account's lists.
  package var lists: [ID<AddressListing>: [String]]
  /// Whether the account has a server that sends.
  package var canSend: Bool
  /// Whether its Sieve sends by itself, as that of another server does; the service's own sends where `canSend`.
  package var serverSends: Bool
  /// Whether the service can put another message in the place of one that the account has.
  package var canEditHeaders: Bool

  package init(
    capabilities: Set<String>?,
    mailboxes: [Mailbox],
    ownAddresses: [String],
    lists: [ID<AddressListing>: [String]] = [:],
    canSend: Bool,
    serverSends: Bool = true,
    canEditHeaders: Bool = true
  ) {
    self.capabilities = capabilities
    self.mailboxes = mailboxes
    self.ownAddresses = ownAddresses
    self.lists = lists
    self.canSend = canSend
    self.serverSends = serverSends
    self.canEditHeaders = canEditHeaders
  }

  func has(_ capability: String) -> Bool { capabilities?.contains(capability) ?? false }

  func isOwn(_ address: String) -> Bool {
    ownAddresses.contains { $0.lowercased() == address.lowercased() }
  }
}

/// What a name of a mailbox stands for in an account.
package enum NamedMailbox: Sendable {
  case existing(ScriptTarget.Mailbox)
  /// There is none of this path, and one may be made.
  case missing(path: String)
  /// An id that names none.
  case unknown
  /// There is none of this path, and none can be made.
  case impossible
}

extension RuleAction.MailboxName {
  /// The paths that roles have where no mailbox has them.
  private static let usualPaths = [
    "archive": "Archive", "drafts": "Drafts", "junk": "Junk", "sent": "Sent", "trash": "Trash",
  ]

  /// What the name stands for among `mailboxes`.
  package func find(in mailboxes: [ScriptTarget.Mailbox]) -> NamedMailbox {
    if let known = mailboxes.first(where: { $0.id == text }) { return .existing(known) }
    if ID<Model.Mailbox>(text: text) != nil { return .unknown }
    if Model.Mailbox.roles.contains(text) {
      if let known = mailboxes.first(where: { $0.role == text }) { return .existing(known) }
      guard let path = Self.usualPaths[text] else { return .unknown }
      return RuleAction.MailboxName(path).find(in: mailboxes)
    }
    let delimiter = mailboxes.lazy.compactMap(\.delimiter).first ?? "/"
    let path = text.replacing("/", with: delimiter)
    let known = mailboxes.first { $0.path == text } ?? mailboxes.first { $0.path == path }
    if let known { return .existing(known) }
    let names = path.split(separator: delimiter, omittingEmptySubsequences: false)
    let canBe = names.allSatisfy { Model.Mailbox.isName(String($0), delimiter: delimiter) }
    return canBe ? .missing(path: path) : .impossible
  }
}

/// Who carries out a clause.
package struct ClausePlacement: Sendable, Equatable {
  /// The one that does it.
  package enum Side: String, Sendable, CaseIterable {
    /// A script at the account's server.
    case sieve
    /// This service.
    case service
    /// Nobody.
    case unsupported
  }

  /// The JSON pointer from the rule on.
  package var pointer: String
  package var side: Side
  /// Why it is not in a script; nil where it is.
  package var reason: String?

  package init(_ pointer: String, _ side: Side, _ reason: String? = nil) {
    self.pointer = pointer
    self.side = side
    self.reason = reason
  }
}

/// A piece of a script, with the extensions that it needs, or why there is none.
enum ScriptPiece {
  case text(String, needs: [String] = [])
  /// The service does it, for this reason.
  case service(String)
  /// Nobody does.
  case unsupported(String)
}

/// The literals of scripts.
enum ScriptText {
  /// A quoted string (RFC 5228 §2.4.2).
  static func quoted(_ text: String) -> String {
    "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
  }

  /// A string or a list of them.
  static func list(_ texts: [String]) -> String {
    let quoted = texts.map(quoted)
    return quoted.count == 1 ? quoted[0] : "[\(quoted.joined(separator: ", "))]"
  }

  /// A text of several lines (RFC 5228 §2.4.2 `multi-line`), or a quoted string where it is one.
  static func block(_ text: String) -> String {
    let lines = text.replacing("\r\n", with: "\n").split(
      separator: "\n",
      omittingEmptySubsequences: false
    )
    guard lines.count > 1 else { return quoted(text) }
    let stuffed = lines.map { $0.hasPrefix(".") ? ".\($0)" : String($0) }
    return "text:\n\(stuffed.joined(separator: "\n"))\n.\n"
  }

  /// A text as part of a pattern of `:matches`, its wildcards taken literally.
  static func literalPattern(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("*", with: "\\*").replacing("?", with: "\\?")
  }

  /// A keyword as the flag that IMAP has.
  static func flag(_ keyword: String) -> String {
    switch keyword.lowercased() {
    case "$seen": "\\Seen"
    case "$flagged": "\\Flagged"
    case "$answered": "\\Answered"
    case "$draft": "\\Draft"
    default: keyword
    }
  }

  /// A flag as the keyword that JMAP has.
  static func keyword(_ flag: String) -> String {
    flag.hasPrefix("\\") ? "$\(flag.dropFirst().lowercased())" : flag
  }
}
