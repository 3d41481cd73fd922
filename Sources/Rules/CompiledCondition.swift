import Bytes
package import Model

/// A condition made ready to be held against many messages: patterns are compiled, lists are sets, pointers stand.
struct CompiledCondition: Sendable {
  /// What a clause says.
  indirect enum Content: Sendable {
    /// All of these.
    case and([CompiledCondition])
    /// Any of these.
    case or([CompiledCondition])
    /// None of these.
    case none([CompiledCondition])
    case term(SearchTerm, ValueMatcher?)
    case test(MessageTest, ValueMatcher?)
    /// An address in one of these fields is among the entries.
    case listed(fields: [String], ListEntries)
  }

  let content: Content
  /// The JSON pointer to the clause, from the rule on.
  let pointer: String

  init(_ query: LocatedQuery, _ lists: [ID<AddressListing>: [String]]) {
    pointer = "/when\(query.place)"
    content =
      switch query.content {
      case .and(let parts): .and(parts.map { Self($0, lists) })
      case .or(let parts): .or(parts.map { Self($0, lists) })
      case .none(let parts): .none(parts.map { Self($0, lists) })
      case .term(let term): .term(term, Self.matcher(term))
      case .test(let test): Self.content(test, lists)
      }
  }

  private static func matcher(_ term: SearchTerm) -> ValueMatcher? {
    switch term {
    case .field(_, let text), .header(_, .some(let text)): ValueMatcher(.contains, [text])
    default: nil
    }
  }

  private static func content(
    _ test: MessageTest,
    _ lists: [ID<AddressListing>: [String]]
  ) -> Content {
    guard test.comparison == .inList else {
      return .test(test, ValueMatcher(test.comparison ?? .is, test.values))
    }
    guard case .address(let addresses, _) = test.property else { return .or([]) }
    let named = test.values.compactMap { ID<AddressListing>(text: $0) }
    let entries = ListEntries(named.flatMap { lists[$0] ?? [] })
    return .listed(fields: addresses.fieldNames, entries)
  }
}

/// Rules made ready to run on many messages.
package struct CompiledRules: Sendable {
  /// The rules, in their order.
  package let rules: [Rule]
  /// Their conditions; nil for those that every message meets.
  let conditions: [CompiledCondition?]
  /// The addresses of the account, as they are compared.
  let own: Set<[UInt8]>

  /// Makes `rules` ready for an account with these addresses and lists.
  package init(
    _ rules: [Rule],
    ownAddresses: [String],
    lists: [ID<AddressListing>: [String]] = [:]
  ) {
    self.rules = rules
    conditions = rules.map { rule in
      rule.isEnabled ? rule.condition.map { CompiledCondition($0, lists) } : nil
    }
    own = Set(ownAddresses.map { [UInt8]($0.utf8).map(\.asciiLowercased) })
  }

  /// Makes `rules` ready; what the context says but for its clock holds for all runs.
  package init(_ rules: [Rule], context: RuleContext) {
    self.init(rules, ownAddresses: context.ownAddresses, lists: context.lists)
  }
}
