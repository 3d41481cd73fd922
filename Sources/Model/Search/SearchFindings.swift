/// What was found for those terms of a search that the database cannot answer alone.
package struct SearchFindings: Sendable {
  /// The messages of each such term, in ascending order.
  package var messages: [SearchTerm: [ID<Message>]]
  /// What could not be asked: there may be messages that are not in `messages`.
  package var gaps: [SearchGap]

  package init(messages: [SearchTerm: [ID<Message>]] = [:], gaps: [SearchGap] = []) {
    self.messages = messages
    self.gaps = gaps
  }
}

/// A place that a search could not look into.
package struct SearchGap: Sendable {
  package var account: ID<Account>
  /// Nil: nothing of the account.
  package var mailbox: ID<Mailbox>?
  package var error: ServiceError

  package init(account: ID<Account>, mailbox: ID<Mailbox>?, error: ServiceError) {
    self.account = account
    self.mailbox = mailbox
    self.error = error
  }
}
