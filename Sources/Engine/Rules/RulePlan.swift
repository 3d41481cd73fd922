import Bytes
import MIME
import Model
import Rules
import Sieve
import Store

/// Turns what rules want of one message into what is to be done with it.
struct RulePlan {
  let account: AccountRules
  let now: Timestamp
  let reader: RuleMessageReader
  /// The envelope that the message came in; nil where only its header can tell.
  var envelope: DeliveryEnvelope?
  /// Makes a mailbox of this path, with those above it.
  let makeMailbox: @Sendable (String, ID<Account>) async throws -> ID<Mailbox>

  /// The effect of `run` on a message that is in `sources`; what rules send is left out where `sends` is false.
  func effect(
    of run: RuleRun,
    _ rules: [Rule],
    on stored: StoredRuleMessage,
    in sources: [ID<Mailbox>],
    sends: Bool
  ) async throws -> RuleEffect {
    var effect = RuleEffect()
    let disposition = run.disposition
    for index in run.matched {
      guard let id = rules[index].id else { continue }
      let actions = JSONValue.array(rules[index].actions.map(\.json))
      effect.matches.append(.init(rule: id, name: rules[index].name, actions: actions))
    }
    effect.patch.addKeywords = disposition.addedKeywords
    effect.patch.removeKeywords = disposition.removedKeywords
    var targets: [ID<Mailbox>] = []
    for name in disposition.mailboxes {
      if let target = try await mailbox(name), !targets.contains(target) { targets.append(target) }
    }
    if disposition.isKept || disposition.isDiscarded {
      effect.patch.addMailboxes = targets
      effect.destroys = disposition.isDiscarded
    } else if targets.isEmpty, disposition.mailboxes.isEmpty {
      // Sent on and not kept: what could not be sent in the end can still be found.
      let trash = account.mailboxes.first { $0.role == "trash" }
      if let trash { targets = [trash.id] }
    }
    if !disposition.isKept, !targets.isEmpty {
      effect.patch.addMailboxes = targets
      effect.patch.removeMailboxes = sources.filter { !targets.contains($0) }
    }
    if sends, disposition.sends, account.account.outgoing != nil {
      try await addMail(disposition, stored.id, to: &effect)
    }
    return effect
  }

  private func addMail(
    _ disposition: Disposition,
    _ id: ID<Message>,
    to effect: inout RuleEffect
  ) async throws {
    let mail = RuleMail(account: account.account, now: now)
    let section: RuleMessageReader.RuleSection =
      disposition.redirects.isEmpty ? .header : .message
    let raw = try await reader.read(id, section, account.account.id)
    let header = HeaderFields(parsing: raw)
    // The header that the rules saw may not have been whole.
    let envelope = reader.envelope(of: header, envelope)
    effect.submissions = disposition.redirects.compactMap {
      mail.redirected(raw, to: $0, envelope: envelope)
    }
    if let reply = disposition.reply {
      effect.reply = try mail.reply(reply, to: header, envelope: envelope)
    }
  }

  private func mailbox(_ name: RuleAction.MailboxName) async throws -> ID<Mailbox>? {
    switch name.find(in: account.target.mailboxes) {
    case .unknown: nil
    case .existing(let found): ID<Mailbox>(text: found.id)
    case .missing(let path): try await makeMailbox(path, account.account.id)
    }
  }
}
