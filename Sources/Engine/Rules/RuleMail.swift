import Bytes
import Crypto
import MIME
import Model
import Rules
import Sieve
import Store

/// Makes the mail that rules send: what goes on to others, and automatic replies.
///
/// Nothing is sent on that came back from where it was sent, and nobody is answered who must not be (RFC 5230 §4.5, §4.6,
/// RFC 3834 §2): the decisions are those of the script interpreter, which runs the reply as a script of one command.
struct RuleMail {
  /// What becomes of something that a rule wants sent.
  enum Outgoing<Mail> {
    case mail(Mail)
    case refused(RefusedAction.Reason)
  }

  let account: Account
  let now: Timestamp

  /// A message as it goes on to another address (RFC 5228 §4.2), unless it has been through here, or would stay here.
  ///
  /// With `edited` it goes on as that: changed by a rule or a script.
  func redirected(
    _ raw: [UInt8],
    as edited: [UInt8]? = nil,
    to address: String,
    envelope: ScriptEnvelope
  ) -> Outgoing<NewSubmission> {
    let header = HeaderFields(parsing: raw)
    guard !isOwn(address) else { return .refused(.ownAddress) }
    guard !TraceFields.isLooping(raw), !hasPassed(header) else { return .refused(.loop) }
    var redirect = ScriptRedirect(address: address)
    redirect.message = nil
    return .mail(
      submission(
        redirect.outgoing(
          edited ?? raw,
          for: ScriptEnvelope(from: envelope.from, to: account.email)
        ),
        // What has no return path must not get one: its bounce would be answered.
        from: envelope.from.isEmpty ? "" : account.email,
        to: address,
        header.text("Subject")
      )
    )
  }

  func isOwn(_ address: String) -> Bool {
    account.ownAddresses.contains { $0.lowercased() == address.lowercased() }
  }

  private func hasPassed(_ header: HeaderFields) -> Bool {
    header.all(ScriptRedirect.traceField).contains { isOwn(header.text($0)) }
  }

  /// The answer to a message, unless none may be sent.
  func reply(
    _ reply: RuleReply,
    to header: HeaderFields,
    envelope: ScriptEnvelope
  ) throws -> Outgoing<RuleEffect.Reply> {
    let source = RuleScript.vacation(reply, ownAddresses: account.ownAddresses)
    let script = try Script(compiling: Array(source.utf8))
    let result = script.run(
      on: ScriptMessage(header: header, size: 0),
      envelope: envelope,
      host: ReplyHost(own: account.ownAddresses, now: now)
    )
    guard case .finished(let outcome) = result, outcome.error == nil,
      case .vacation(let vacation)? = outcome.actions.first
    else { return .refused(.notAnswerable) }
    return try self.reply(vacation, envelope: envelope)
  }

  /// The answer that a script asks for, unless none may be sent.
  func reply(
    _ vacation: ScriptVacation,
    envelope: ScriptEnvelope
  ) throws -> Outgoing<RuleEffect.Reply> {
    guard vacation.suppression == nil else { return .refused(.notAnswerable) }
    let message = try vacation.message(
      to: envelope,
      date: MIMEDate(seconds: now.seconds),
      messageID: try messageID(),
      boundarySeed: try Random.bytes(32)
    )
    let until = now.microseconds + max(vacation.seconds, 0) * 1_000_000
    return .mail(
      RuleEffect.Reply(
        submission: submission(message, from: "", to: envelope.from, vacation.subject),
        tracking: vacation.tracking,
        address: envelope.from,
        until: Timestamp(microseconds: until)
      )
    )
  }

  /// A new message ID of the account's domain.
  func messageID() throws -> String {
    let seed = try Random.bytes(16)
    let domain = account.email.split(separator: "@").last.map(String.init) ?? "localhost"
    return "\(Hex.encode(seed.span))@\(domain)"
  }

  /// A notification of a message by mail (RFC 5436); none of what is one itself (§2.7.1).
  func notification(
    _ notification: RuleNotification,
    about header: HeaderFields,
    envelope: ScriptEnvelope
  ) throws -> Outgoing<NewSubmission> {
    let marks = header.all("Auto-Submitted").map { header.text($0).lowercased() }
    guard !marks.contains(where: { $0.hasPrefix("auto-notified") }) else { return .refused(.loop) }
    let address = PercentCoding.encode(Array(notification.address.utf8).span)
    let method = "mailto:\(String(decoding: address, as: UTF8.self))"
    let made = ScriptNotification(method: method, message: notification.text).mail(
      about: header,
      envelope: ScriptEnvelope(from: envelope.from, to: account.email),
      date: MIMEDate(seconds: now.seconds),
      messageID: try messageID()
    )
    guard let made, let recipient = made.recipients.first else { return .refused(.noMailbox) }
    let subject = notification.text ?? header.last("Subject").map { header.text($0) }
    return .mail(
      // As of a redirect: what has no return path gets none.
      submission(
        made.message,
        from: envelope.from.isEmpty ? "" : account.email,
        to: recipient,
        subject
      )
    )
  }

  func submission(
    _ message: [UInt8],
    from sender: String,
    to recipient: String,
    _ subject: String?
  ) -> NewSubmission {
    var submission = NewSubmission(
      identityID: nil,
      sender: sender,
      recipients: [recipient],
      message: message,
      messageID: HeaderFields(parsing: message).messageIDs("Message-ID")?.first,
      subject: subject?.withoutNUL,
      sendAt: nil,
      undoUntil: nil,
      answers: nil
    )
    submission.filesCopy = false
    return submission
  }
}

/// What the interpreter asks when it decides about a reply.
private struct ReplyHost: ScriptHost {
  let own: [String]
  let now: Timestamp

  func answer(_ question: ScriptQuestion) -> ScriptAnswer? {
    switch question {
    case .now: .number(now.seconds)
    case .zoneOffset: .number(0)
    case .isOwnAddress(let address):
      .flag(own.contains { $0.lowercased() == address.lowercased() })
    case .metadata, .environment: .text(nil)
    default: .flag(false)
    }
  }
}
