package import Bytes

/// What to look for: the one syntax tree behind `q=`, the JSON filter and, later, the conditions of rules.
package indirect enum SearchQuery: Sendable, Equatable {
  /// All of these; of none: everything.
  case and([SearchQuery])
  /// Any of these.
  case or([SearchQuery])
  case not(SearchQuery)
  case term(SearchTerm)

  /// The terms of the tree, in order.
  package var terms: [SearchTerm] {
    switch self {
    case .and(let parts), .or(let parts): parts.flatMap(\.terms)
    case .not(let part): part.terms
    case .term(let term): [term]
    }
  }
}

/// One condition on a message.
package enum SearchTerm: Sendable, Hashable {
  /// A part of the text of some header fields, in any case of letters.
  case field(SearchField, String)
  /// A field by its name; without a value: whether the message has it.
  case header(name: String, value: String?)
  /// A word of the subject, the addresses, the preview or the names of attachments, or its beginning.
  case word(String)
  /// Words of the same that stand one after the other.
  case phrase(String)
  /// The id, role, name or path of a mailbox that holds the message.
  case mailbox(String)
  case state(SearchState)
  case hasAttachment
  case before(Timestamp)
  case after(Timestamp)
  case larger(Int64)
  case smaller(Int64)
  case thread(ID<MessageThread>)
  case id(ID<Message>)
}

extension SearchTerm {
  /// Whether `text` has anything that words are made of, which is all that words and phrases are found by.
  package static func hasWord(_ text: some StringProtocol) -> Bool {
    text.unicodeScalars.contains {
      $0.properties.isAlphabetic || $0.properties.generalCategory == .decimalNumber
    }
  }

  /// Why a text without a word is no term.
  static let noWord =
    "A word needs a letter or a digit; other characters are found in one field only, such as subject."
}

/// Fields that a part of their text is looked for in.
package enum SearchField: String, Sendable, CaseIterable {
  case from, to, cc, bcc, subject, body, list, filename
}

/// What `is:` asks.
package enum SearchState: String, Sendable, CaseIterable {
  case unread, flagged, answered, draft
}

/// Bounds on one search.
package struct SearchLimits: Sendable {
  /// Longest text of a query, in bytes.
  package var bytes = 4096
  /// Most terms.
  package var terms = 64
  /// Most different terms that a server has to be asked for: texts of bodies, and header fields that are not kept.
  package var serverTerms = 4
  /// How deep parentheses, or operators of a JSON filter, may go.
  package var depth = 16

  package init() {}
}

/// Where a search is not written as it should be.
package struct SearchSyntaxError: Error, Sendable, Equatable {
  /// The byte of the query at which it was seen, from 0; a JSON pointer's text in a filter.
  package var place: String
  /// What is wrong, for a person.
  package var reason: String
  /// Whether it is that another JSON type is wanted.
  package var isOfType = false
  /// Whether it is a member of a filter that there is not.
  package var isUnknown = false
}
