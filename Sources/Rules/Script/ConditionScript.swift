import Bytes
import Model

/// Turns conditions into tests of Sieve, where a script can ask the same.
struct ConditionScript {
  let target: ScriptTarget

  /// A whole condition with what it needs; nil where one of its clauses is not for a script.
  func test(_ query: LocatedQuery) -> (text: String, needs: Set<String>)? {
    switch query.content {
    case .and(let parts): return join(parts, "allof")
    case .or(let parts): return join(parts, "anyof")
    case .none(let parts):
      return join(parts, "anyof").map { ("not \($0.text)", $0.needs) }
    case .term, .test:
      guard case .text(let text, let needs) = piece(query) else { return nil }
      return (text, Set(needs))
    }
  }

  private func join(
    _ parts: [LocatedQuery],
    _ name: String
  ) -> (text: String, needs: Set<String>)? {
    let tests = parts.compactMap { test($0) }
    guard tests.count == parts.count, let first = tests.first else { return nil }
    if tests.count == 1 { return first }
    let lines = tests.map { $0.text.replacing("\n", with: "\n    ") }.joined(separator: ",\n    ")
    let needs = tests.reduce(into: Set()) { $0.formUnion($1.needs) }
    return ("\(name) (\n    \(lines))", needs)
  }

  /// One clause as a test, or why it is none.
  func piece(_ query: LocatedQuery) -> ScriptPiece {
    let piece: ScriptPiece
    switch query.content {
    case .term(let term): piece = self.piece(term)
    case .test(let test): piece = self.piece(test)
    case .and, .or, .none: return .service("It has parts.")
    }
    if case .text(let text, _) = piece, text.utf8.contains(where: { $0 == .lf || $0 == .cr }) {
      return .service("A header field has no line breaks once it is unfolded.")
    }
    return target.checked(piece)
  }

  // MARK: - Terms of search

  private func piece(_ term: SearchTerm) -> ScriptPiece {
    switch term {
    case .field(.body, let text): return contains("body :text", text, needs: ["body"])
    case .field(.filename, let text): return contains(Self.partNames, text, needs: ["mime"])
    case .field(.list, let text): return header("list-id", text)
    case .field(let field, let text): return header(field.rawValue, text)
    case .header(let name, .some(let value)): return header(name, value)
    case .header(let name, nil): return .text("exists \(ScriptText.quoted(name))")
    case .state(let state):
      let flag = state == .unread ? "$seen" : "$\(state.rawValue)"
      let test = "hasflag \(ScriptText.quoted(ScriptText.flag(flag)))"
      return .text(state == .unread ? "not \(test)" : test, needs: ["imap4flags"])
    case .larger(let size): return self.size(":over", size)
    case .smaller(let size): return self.size(":under", size)
    case .before(let time): return day("lt", time)
    case .after(let time): return day("ge", time)
    case .word, .phrase: return .service("Sieve does not look for words.")
    case .hasAttachment: return .service("Sieve cannot tell attachments as this service does.")
    case .mailbox: return .service("A script does not know in which mailbox a message is.")
    case .thread, .id: return .service("A script does not know the ids of this service.")
    }
  }

  private static let partNames =
    #"header :mime :anychild :param ["filename", "name"]"#

  private func contains(_ test: String, _ text: String, needs: [String]) -> ScriptPiece {
    let fields =
      test == Self.partNames ? #" ["content-type", "content-disposition"]"# : ""
    return .text("\(test) :contains\(fields) \(ScriptText.quoted(text))", needs: needs)
  }

  private func header(_ name: String, _ text: String) -> ScriptPiece {
    .text("header :contains \(ScriptText.quoted(name)) \(ScriptText.quoted(text))")
  }

  private func size(_ tag: String, _ size: Int64) -> ScriptPiece {
    guard size < 1 << 31 else { return .service("Sieve's numbers end at 2,147,483,647.") }
    return .text("size \(tag) \(size)")
  }

  private func day(_ relation: String, _ time: Timestamp) -> ScriptPiece {
    var bytes: [UInt8] = []
    bytes.append(rfc3339: time)
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.hasSuffix("T00:00:00Z") else {
      return .service("A script compares whole days, in UTC.")
    }
    return .text(
      """
      currentdate :zone "+0000" :value "\(relation)" "date" "\(text.prefix(10))"
      """,
      needs: ["date", "relational"]
    )
  }

  // MARK: - Tests

  private func piece(_ test: MessageTest) -> ScriptPiece {
    switch test.property {
    case .address(let addresses, let part): return address(addresses, part, test)
    case .addressCount(let addresses):
      return count("address", addresses.fieldNames, test)
    case .header(let name): return match("header", ScriptText.quoted(name), test)
    case .headerCount(let name): return count("header", [name], test)
    case .anyHeader: return .service("Sieve looks only at fields that are named.")
    case .envelope(let end, let part):
      return match(
        "envelope\(Self.tag(part))",
        ScriptText.quoted(end.rawValue),
        test,
        needs: ["envelope"] + Self.needs(part)
      )
    case .body: return match("body :text", "", test, needs: ["body"])
    case .attachmentName:
      return match(
        Self.partNames,
        #"["content-type", "content-disposition"]"#,
        test,
        needs: ["mime"]
      )
    case .attachmentType:
      return match(
        "header :mime :anychild :contenttype",
        #""content-type""#,
        test,
        needs: ["mime"]
      )
    case .importance: return importance(test.values)
    case .kind: return kinds(test.values.compactMap { MessageKind(rawValue: $0) })
    case .addressedToMe(let kind): return addressed(kind)
    case .keyword:
      return .text(
        "hasflag :is \(ScriptText.list(test.values.map(ScriptText.flag)))",
        needs: ["imap4flags"]
      )
    case .date(let source, let part):
      let test = relation(test)
      let head = source == .sent ? "date" : "currentdate"
      let field = source == .sent ? #""date" "# : ""
      return .text(
        """
        \(head) :zone "+0000" \(test.tag) \(field)"\(part.rawValue)" \(test.keys)
        """,
        needs: ["date"] + test.needs
      )
    case .age: return .service("Sieve cannot count the days between two dates.")
    }
  }

  private static func tag(_ part: MessageProperty.AddressPart) -> String {
    switch part {
    case .address, .name: " :all"
    case .local: " :localpart"
    case .domain: " :domain"
    case .user: " :user"
    case .detail: " :detail"
    }
  }

  private static func needs(_ part: MessageProperty.AddressPart) -> [String] {
    part == .user || part == .detail ? ["subaddress"] : []
  }

  private func address(
    _ addresses: MessageProperty.Addresses,
    _ part: MessageProperty.AddressPart,
    _ test: MessageTest
  ) -> ScriptPiece {
    let fields = ScriptText.list(addresses.fieldNames)
    guard part != .name else {
      return .service("Sieve does not tell a display name from the rest.")
    }
    guard test.comparison == .inList else {
      return match("address\(Self.tag(part))", fields, test, needs: Self.needs(part))
    }
    let lists = test.values.compactMap { ID<AddressListing>(text: $0) }
    let entries = ListEntries(lists.flatMap { target.lists[$0] ?? [] })
    guard entries.addresses.count + entries.domains.count <= 1000 else {
      return .service("The list is too long for a script.")
    }
    var tests: [String] = []
    if !entries.addresses.isEmpty {
      tests.append("address :all :is \(fields) \(ScriptText.list(entries.addresses.sorted()))")
    }
    if !entries.domains.isEmpty {
      tests.append("address :domain :is \(fields) \(ScriptText.list(entries.domains.sorted()))")
    }
    return any(tests)
  }

  private func any(_ tests: [String], needs: [String] = []) -> ScriptPiece {
    switch tests.count {
    case 0: .text("false")
    case 1: .text(tests[0], needs: needs)
    default: .text("anyof (\(tests.joined(separator: ", ")))", needs: needs)
    }
  }

  /// A test of texts by a match type.
  private func match(
    _ head: String,
    _ fields: String,
    _ test: MessageTest,
    needs: [String] = []
  ) -> ScriptPiece {
    let tag: String
    var values = test.values
    var more: [String] = []
    switch test.comparison {
    case .contains: tag = ":contains"
    case .begins:
      tag = ":matches"
      values = values.map { ScriptText.literalPattern($0) + "*" }
    case .ends:
      tag = ":matches"
      values = values.map { "*" + ScriptText.literalPattern($0) }
    case .matches: tag = ":matches"
    case .regex:
      tag = ":regex"
      more = ["regex"]
    default: tag = ":is"
    }
    let middle = fields.isEmpty ? "" : " \(fields)"
    return .text("\(head) \(tag)\(middle) \(ScriptText.list(values))", needs: needs + more)
  }

  private func relation(_ test: MessageTest) -> (tag: String, keys: String, needs: [String]) {
    switch test.comparison {
    case .over: (":value \"gt\"", ScriptText.list(test.values), ["relational"])
    case .under: (":value \"lt\"", ScriptText.list(test.values), ["relational"])
    default: (":is", ScriptText.list(test.values), [])
    }
  }

  private func count(_ head: String, _ names: [String], _ test: MessageTest) -> ScriptPiece {
    let relation =
      switch test.comparison {
      case .over: "gt"
      case .under: "lt"
      default: "eq"
      }
    return .text(
      """
      \(head) :count "\(relation)" :comparator "i;ascii-numeric" \(ScriptText.list(names)) \
      \(ScriptText.list(test.values))
      """,
      needs: ["relational", "comparator-i;ascii-numeric"]
    )
  }

  private func importance(_ values: [String]) -> ScriptPiece {
    let high = #"header :is "importance" "high", header :matches "x-priority" ["1*", "2*"]"#
    let low = #"header :is "importance" "low", header :matches "x-priority" ["4*", "5*"]"#
    let tests = Set(values).sorted().map { value in
      switch value {
      case "high": "anyof (\(high))"
      case "low": "allof (not anyof (\(high)), anyof (\(low)))"
      default: "not anyof (\(high), \(low))"
      }
    }
    return any(tests)
  }

  private func kinds(_ kinds: [MessageKind]) -> ScriptPiece {
    let pieces = kinds.map(kind)
    return any(pieces.map(\.test), needs: pieces.contains(where: \.needsMIME) ? ["mime"] : [])
  }

  private func kind(_ kind: MessageKind) -> (test: String, needsMIME: Bool) {
    func parameter(_ scope: String, _ name: String, _ value: String) -> (String, Bool) {
      (
        """
        header \(scope) :param "\(name)" :is ["content-type", "content-disposition"] "\(value)"
        """, true
      )
    }
    switch kind {
    case .automaticReply: return (#"header :contains "auto-submitted" "auto-replied""#, false)
    case .automatic:
      return (
        #"allof (exists "auto-submitted", not header :is "auto-submitted" "no")"#, false
      )
    case .deliveryReport: return parameter(":mime", "report-type", "delivery-status")
    case .readReceipt: return parameter(":mime", "report-type", "disposition-notification")
    case .meetingRequest: return parameter(":mime :anychild", "method", "REQUEST")
    case .meetingResponse: return parameter(":mime :anychild", "method", "REPLY")
    case .signed:
      return (#"header :mime :contenttype :is "content-type" "multipart/signed""#, true)
    case .encrypted:
      let types = ScriptText.list(MessageKind.encryptedTypes)
      return ("header :mime :contenttype :is \"content-type\" \(types)", true)
    case .mailingList: return (#"exists "list-id""#, false)
    }
  }

  private func addressed(_ kind: MessageProperty.AddressedToMe) -> ScriptPiece {
    let own = ScriptText.list(target.ownAddresses)
    switch kind {
    case .toMe: return .text("address :all :is \"to\" \(own)")
    case .ccMe: return .text("address :all :is \"cc\" \(own)")
    case .toOrCcMe: return .text("address :all :is [\"to\", \"cc\"] \(own)")
    case .onlyToMe:
      return .text(
        """
        allof (address :all :is "to" \(own), \
        address :count "eq" :comparator "i;ascii-numeric" ["to", "cc"] "1")
        """,
        needs: ["relational", "comparator-i;ascii-numeric"]
      )
    }
  }
}

extension ScriptTarget {
  /// A piece that this account's Sieve can run, or why it cannot.
  func checked(_ piece: ScriptPiece) -> ScriptPiece {
    guard capabilities != nil else {
      if case .unsupported = piece { return piece }
      return .service("The account's server offers this service no Sieve.")
    }
    guard case .text(_, let needs) = piece else { return piece }
    guard let missing = needs.first(where: { !has($0) }) else { return piece }
    return .service("The Sieve of the account's server has no \(missing).")
  }
}
