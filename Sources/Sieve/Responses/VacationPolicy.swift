import Bytes
import MIME

/// Whether a message may be answered automatically (RFC 5230 §4.5, §4.6, RFC 3834 §2).
struct VacationPolicy {
  let run: Run
  /// Addresses that the script says are the user's.
  let addresses: [String]

  /// Why the message is not answered; nil where it is.
  func suppression(addressedAs own: String?) throws(RunStop) -> ScriptVacation.Suppression? {
    let sender = run.envelope.from
    if sender.isEmpty { return .nullSender }
    if Self.isAutomatedSender(sender) { return .automatedSender }
    if hasListField { return .mailingList }
    if isAutomatic { return .automatic }
    if try isOwn(sender) { return .ownAddress }
    return own == nil ? .notAddressed : nil
  }

  private func values(_ name: String) -> [Text] {
    MessageState.values(of: Array(name.utf8), in: run.message.header)
  }

  /// RFC 5230 §4.6: those who run daemons and lists do not care who is away.
  private static func isAutomatedSender(_ address: String) -> Bool {
    let local = AddressValue(address).localPart?.folded.text ?? address.lowercased()
    return ["mailer-daemon", "listserv", "majordomo"].contains(local)
      || local.hasPrefix("owner-") || local.hasSuffix("-request")
  }

  private var hasListField: Bool {
    [
      "list-id", "list-help", "list-subscribe", "list-unsubscribe", "list-post", "list-owner",
      "list-archive",
    ].contains { !values($0).isEmpty }
  }

  /// Whether the message says that no person wrote it, or that none wants an answer.
  private var isAutomatic: Bool {
    let submitted = values("auto-submitted").contains { value in
      let word = value.folded.prefix { $0 != 0x3B && !$0.isSieveBlank }
      return !word.elementsEqual("no".utf8)
    }
    if submitted { return true }
    let isBulk = values("precedence").contains { value in
      ["junk", "bulk", "list"].contains(value.folded.text)
    }
    if isBulk { return true }
    // Exchange's way to ask for no automatic replies ([MS-OXCMAIL] §2.2.3.2.14).
    return values("x-auto-response-suppress").contains { value in
      value.folded.text.split { $0 == "," || $0 == ";" || $0 == " " }
        .contains { $0 == "all" || $0 == "oof" || $0 == "autoreply" }
    }
  }

  /// The first of the user's addresses that the message is addressed to; nil where there is none.
  func addressee() throws(RunStop) -> String? {
    let header = run.message.header
    for name in ["to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"] {
      for field in MessageState.fields(Array(name.utf8), in: header) {
        let addresses = AddressValue.list(header.bytes.span.extracting(field.body))
        for address in addresses where try isOwn(address.all.string) {
          return address.all.string
        }
      }
    }
    return nil
  }

  private func isOwn(_ address: String) throws(RunStop) -> Bool {
    let folded = Text(address).folded
    if folded == Text(run.envelope.to).folded { return true }
    if addresses.contains(where: { Text($0).folded == folded }) { return true }
    return try run.flag(.isOwnAddress(address))
  }
}
