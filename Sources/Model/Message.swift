package import Bytes

/// One stored item of a mailbox.
///
/// The list path never makes one: it goes from rows to bytes.
package enum Message: Identified {
  package static let idPrefix: StaticString = "msg_"
}

/// Messages that answer one another (RFC 8621 §3).
package enum MessageThread: Identified {
  package static let idPrefix: StaticString = "thr_"
}

/// Raw bytes that the service keeps or can fetch.
package enum Blob: Identified {
  package static let idPrefix: StaticString = "blb_"
}

/// A durable intent on its way to a server.
package enum MailOperation: Identified {
  package static let idPrefix: StaticString = "opr_"
}

/// Handing a message to SMTP for sending.
package enum Submission: Identified {
  package static let idPrefix: StaticString = "sub_"
}

/// A bearer token.
package enum Token: Identified {
  package static let idPrefix: StaticString = "tok_"
}

/// Long work with progress.
package enum Job: Identified {
  package static let idPrefix: StaticString = "job_"
}

/// A condition on messages and what is done with those that meet it.
package enum MailRule: Identified {
  package static let idPrefix: StaticString = "rul_"
}

/// A Sieve script of an account.
package enum SieveScript: Identified {
  package static let idPrefix: StaticString = "scr_"
}

/// Addresses and domains that rules ask for by one name.
package enum AddressListing: Identified {
  package static let idPrefix: StaticString = "lst_"
}

/// What a list of messages shows and in which order.
package struct MessageQuery: Sendable, Equatable {
  /// What a list is ordered by.
  package enum Sort: String, Sendable, CaseIterable {
    case receivedAt, sentAt, size, subject, from
  }

  package var mailbox: ID<Mailbox>?
  package var isUnread: Bool?
  package var isFlagged: Bool?
  package var isAnswered: Bool?
  package var isDraft: Bool?
  package var keyword: String?
  package var from: String?
  package var to: String?
  package var subject: String?
  package var hasAttachment: Bool?
  package var before: Timestamp?
  package var after: Timestamp?
  package var larger: Int64?
  package var smaller: Int64?
  package var thread: ID<MessageThread>?
  package var messageID: String?
  /// What `q=` or a JSON filter asks besides.
  package var search: SearchQuery?
  package var sort = Sort.receivedAt
  /// Whether the order is from low to high; lists go from high to low by default.
  package var isAscending = false

  package init() {}
}

/// Where a page of messages begins: the sort key of the last message of the page before.
package struct MessagePosition: Sendable, Equatable {
  /// The sort column's value as text: microseconds, a number, or a text of at most 250 characters.
  package var key: String
  /// The UID, or Int64.max where there is none yet; 0 where the list is not of one mailbox.
  package var uid: Int64
  package var id: ID<Message>

  package init(key: String, uid: Int64, id: ID<Message>) {
    self.key = key
    self.uid = uid
    self.id = id
  }
}

/// What a caller changes of a message: an intent, not a state.
package struct MessagePatch: Sendable, Hashable {
  /// Keywords to add, in JMAP's form (`$seen`, `$flagged`, `work`).
  package var addKeywords: [String] = []
  package var removeKeywords: [String] = []
  /// Removes every keyword that is not in `addKeywords`.
  package var replacesKeywords = false
  package var addMailboxes: [ID<Mailbox>] = []
  package var removeMailboxes: [ID<Mailbox>] = []
  /// The whole new set of mailboxes, where the caller gave one.
  package var mailboxes: [ID<Mailbox>]?

  package init() {}

  /// Whether the patch asks for nothing.
  package var isEmpty: Bool {
    addKeywords.isEmpty && removeKeywords.isEmpty && !replacesKeywords && addMailboxes.isEmpty
      && removeMailboxes.isEmpty && mailboxes == nil
  }
}
