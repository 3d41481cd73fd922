import MailProtocols
import MailTransport
import Model

extension Mailbox {
  /// The name as IMAP commands take it.
  var imapName: MailboxName { MailboxName(encoded: Array(encodedName.utf8)) }
}

extension IMAPClient {
  /// The UIDVALIDITY of the selected mailbox as it is stored; 0 where the server tells none.
  var uidValidity: Int64 { selected?.storedUIDValidity ?? 0 }
}

extension SelectedMailbox {
  /// The UIDVALIDITY as it is stored; 0 where the server tells none.
  var storedUIDValidity: Int64 { Int64(uidValidity?.value ?? 0) }

  /// Whether nothing came and nothing went since `status` was asked for.
  func isAsTold(by status: MailboxStatus?) -> Bool {
    guard let status, let uidNext else { return false }
    return status.uidValidity == uidValidity && status.uidNext == uidNext
      && status.messages == exists
  }
}
