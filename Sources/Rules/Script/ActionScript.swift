import MIME
import Model
import Sieve

/// Turns actions into commands of Sieve, where a script can do the same.
struct ActionScript {
  let target: ScriptTarget

  /// One action as commands, or why it is none.
  func piece(_ action: RuleAction) -> ScriptPiece {
    if case .redirect(let address, _) = action, target.isOwn(address) {
      return .unsupported(RefusedAction.Reason.ownAddress.detail)
    }
    if case .deleteHeader(let name) = action, HeaderFields.mustStay(name.lowercased()) {
      return .unsupported(RefusedAction.Reason.protectedField.detail)
    }
    guard target.canSend || target.serverSends || !action.sends else {
      return .unsupported("The account has no outgoing server.")
    }
    let piece = unchecked(action)
    guard !serviceCan(action) else { return target.checked(piece) }
    if case .text = target.checked(piece) { return piece }
    guard target.canSend || !action.sends else {
      return .unsupported("The account has no outgoing server.")
    }
    guard !action.edits else {
      return .unsupported(
        "The account's server does not tell where it puts a message (UIDPLUS, RFC 4315), and has no Sieve that changes headers."
      )
    }
    // It says itself why nobody can do it.
    if case .unsupported = piece { return piece }
    return .unsupported(
      "The service has taken the message when its rules run, and the account's server has no Sieve that does it."
    )
  }

  /// Whether the service itself carries out an action.
  private func serviceCan(_ action: RuleAction) -> Bool {
    switch action {
    case .move(let name), .copy(let name):
      switch name.find(in: target.mailboxes) {
      case .unknown, .impossible: false
      case .existing, .missing: true
      }
    case .keep, .junk, .discard, .addKeywords, .removeKeywords: true
    case .redirect, .reply, .notify: target.canSend
    case .addHeader, .deleteHeader: target.canEditHeaders
    case .reject: false
    }
  }

  private func unchecked(_ action: RuleAction) -> ScriptPiece {
    switch action {
    case .move(let name): return file(name, copies: false)
    case .copy(let name): return file(name, copies: true)
    case .keep: return .text("keep;")
    case .discard: return .text("discard;")
    case .junk:
      guard case .text(let text, let needs) = file(RuleAction.MailboxName("junk"), copies: false)
      else { return file(RuleAction.MailboxName("junk"), copies: false) }
      return .text("addflag \"$Junk\";\n\(text)", needs: ["imap4flags"] + needs)
    case .addKeywords(let words): return flags("addflag", words)
    case .removeKeywords(let words): return flags("removeflag", words)
    case .redirect(let address, let keeps):
      return keeps
        ? .text("redirect :copy \(ScriptText.quoted(address));", needs: ["copy"])
        : .text("redirect \(ScriptText.quoted(address));")
    case .reply(let reply): return vacation(reply)
    case .reject(let text): return .text("reject \(ScriptText.block(text));", needs: ["reject"])
    case .notify(let address, let text):
      let message = text.map { ":message \(ScriptText.block($0)) " } ?? ""
      return .text("notify \(message)\"mailto:\(address)\";", needs: ["enotify"])
    case .addHeader(let name, let value):
      let field =
        "\(ScriptText.quoted(name)) \(ScriptText.quoted(HeaderEdit.trimmed(value)))"
      return .text(
        "if not header :comparator \"i;octet\" \(field) {\naddheader \(field);\n}",
        needs: ["editheader"]
      )
    case .deleteHeader(let name):
      return .text("deleteheader \(ScriptText.quoted(name));", needs: ["editheader"])
    }
  }

  private func flags(_ command: String, _ keywords: [String]) -> ScriptPiece {
    .text(
      "\(command) \(ScriptText.list(keywords.map(ScriptText.flag)));",
      needs: ["imap4flags"]
    )
  }

  private func file(_ name: RuleAction.MailboxName, copies: Bool) -> ScriptPiece {
    guard !name.isInbox else { return .text("keep;") }
    let copy = copies ? ":copy " : ""
    var needs = copies ? ["fileinto", "copy"] : ["fileinto"]
    switch name.find(in: target.mailboxes) {
    case .unknown: return .unsupported("The account has no such mailbox.")
    case .impossible: return .unsupported("No mailbox can have this name.")
    case .missing(let path):
      needs.append("mailbox")
      return .text("fileinto \(copy):create \(ScriptText.quoted(path));", needs: needs)
    case .existing(let mailbox):
      if mailbox.role == "inbox" { return .text("keep;") }
      let path = ScriptText.quoted(mailbox.path)
      if let use = Self.use(of: name, mailbox), target.has("special-use") {
        needs.append("special-use")
        return .text("fileinto \(copy):specialuse \(ScriptText.quoted(use)) \(path);", needs: needs)
      }
      // By its path one that is there is named as one that is not: so the script stays as it is when the first message makes it.
      guard target.has("mailbox"), name.text != mailbox.id else {
        return .text("fileinto \(copy)\(path);", needs: needs)
      }
      needs.append("mailbox")
      return .text("fileinto \(copy):create \(path);", needs: needs)
    }
  }

  /// The special use that a rule named by its role (RFC 8579).
  private static func use(
    of name: RuleAction.MailboxName,
    _ mailbox: ScriptTarget.Mailbox
  ) -> String? {
    guard name.text == mailbox.role, let first = name.text.first else { return nil }
    return "\\\(first.uppercased())\(name.text.dropFirst())"
  }

  private func vacation(_ reply: RuleReply) -> ScriptPiece {
    var tags = " :days \(reply.days)"
    if let subject = reply.subject { tags += " :subject \(ScriptText.quoted(subject))" }
    if let from = reply.from { tags += " :from \(ScriptText.quoted(from))" }
    if !target.ownAddresses.isEmpty {
      tags += " :addresses \(ScriptText.list(target.ownAddresses))"
    }
    let command = "vacation\(tags) \(ScriptText.block(reply.text));"
    let bounds = [("ge", reply.firstDay), ("le", reply.lastDay)].compactMap { relation, day in
      day.map { "currentdate :zone \"+0000\" :value \"\(relation)\" \"date\" \"\($0)\"" }
    }
    guard !bounds.isEmpty else { return .text(command, needs: ["vacation"]) }
    let test = bounds.count == 1 ? bounds[0] : "allof (\(bounds.joined(separator: ", ")))"
    return .text(
      "if \(test) {\n\(command)\n}",
      needs: ["vacation", "date", "relational"]
    )
  }
}
