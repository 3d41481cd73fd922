/// What a server may make us hold or do; everything beyond is refused or dropped, never buffered.
package struct IMAPLimits: Sendable {
  /// Bytes of one response, its literals kept in memory included: a `SEARCH` of a million UIDs fits.
  package var response = 8 << 20
  /// Bytes of one literal that is kept in memory; a greater one is streamed, or dropped where
  /// nobody asked for it.
  package var literalInMemory = 256 << 10
  /// Bytes of a streamed literal.
  package var literal = 4 << 30
  /// Levels of parentheses in one response; BODYSTRUCTURE needs two a MIME level.
  package var nesting = 64
  /// Body parts in one BODYSTRUCTURE.
  package var parts = 10_000
  /// Mailboxes that one LIST may name.
  package var mailboxes = 100_000
  /// UIDs that one SEARCH may return.
  package var searchResults = 4_000_000
  /// Untagged events kept until somebody takes them; then `overflowed` stands for all of them.
  package var events = 10_000
  /// Messages in a row that a server may refuse to tell, each by itself, before a fetch is given up.
  package var refusedMessages = 100
  /// Responses in a row that no grammar takes before the connection is given up.
  package var malformedResponses = 100

  /// The defaults that stand at each member.
  package init() {}
}
