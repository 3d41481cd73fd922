import Bytes

/// How a command ended, or what the server remarks between (RFC 3501 §7.1).
package struct StatusResponse: Hashable, Sendable {
  /// How a command ended, or what a server has to say.
  package enum Condition: Hashable, Sendable {
    case ok
    case no
    case bad
    case preauth
    case bye
  }

  package var condition: Condition
  package var code: ResponseCode?
  /// The text for people.
  package var text: String

  /// A response of these parts.
  package init(_ condition: Condition, code: ResponseCode? = nil, text: String = "") {
    self.condition = condition
    self.code = code
    self.text = text
  }
}

/// A response that belongs to no single command by its tag (RFC 3501 §7).
package enum UntaggedResponse: Hashable, Sendable {
  case condition(StatusResponse)
  case capability(IMAPCapabilities)
  case enabled([IMAPCapability])
  case list(ListedMailbox)
  case subscribed(ListedMailbox)
  case status(MailboxName, MailboxStatus)
  case namespaces(Namespaces)
  case id([String: String])
  case search(UIDSet)
  case flags([Flag])
  case exists(UInt32)
  case recent(UInt32)
  case expunge(UInt32)
  // A box of its own: it is handed on several times, and each would copy all its fields.
  indirect case fetch(FetchedMessage)
  case vanished(UIDSet, earlier: Bool)
  case quota(Quota)
  case quotaRoots(MailboxName, [String])
  /// A response of a name that is not known here; its bytes without the line's end.
  case other(name: String, bytes: [UInt8])
}

extension ByteReader {
  /// Reads `resp-cond-state` after `* ` or a tag: condition, code and text; nil where none stands.
  ///
  /// Leniency `missingText`: nothing needs to follow the condition.
  mutating func statusResponse() -> StatusResponse? {
    let start = position
    let word = take(while: \.isASCIILetter)
    guard next.map({ $0 <= 0x20 }) ?? true, let condition = condition(slice(word)) else {
      seek(to: start)
      return nil
    }
    skipBlanks()
    let code = responseCode()
    skipBlanks()
    var end = bytes.count
    while end > position, bytes[end - 1] <= 0x20 { end -= 1 }
    let text = String(utf8: slice(position..<max(position, end)))
    seek(to: bytes.count)
    return StatusResponse(condition, code: code, text: text)
  }

  private func condition(_ word: Span<UInt8>) -> StatusResponse.Condition? {
    switch word.count {
    case 2 where word.equalsIgnoringCase("ok"): .ok
    case 2 where word.equalsIgnoringCase("no"): .no
    case 3 where word.equalsIgnoringCase("bad"): .bad
    case 3 where word.equalsIgnoringCase("bye"): .bye
    case 7 where word.equalsIgnoringCase("preauth"): .preauth
    default: nil
    }
  }

  /// Reads `response-data` after `* `.
  mutating func requireUntagged(limits: IMAPLimits) throws(IMAPSyntaxError) -> UntaggedResponse {
    skipBlanks()
    if next?.isASCIIDigit == true { return try numberedResponse(limits: limits) }
    if let status = statusResponse() { return .condition(status) }
    if next == 0x5B {
      // Leniency `missingCondition`: a code without its OK, as in `* [COPYUID …]`.
      return .condition(StatusResponse(.ok, code: responseCode()))
    }
    let start = position
    let name = String(utf8: slice(take(while: \.isIMAPWord))).uppercased()
    skipBlanks()
    switch name {
    case "CAPABILITY": return .capability(capabilities())
    case "ENABLED": return .enabled(capabilities().names.map { IMAPCapability(rawValue: $0) })
    case "LIST", "XLIST": return .list(try requireListedMailbox())
    case "LSUB": return .subscribed(try requireListedMailbox())
    case "STATUS":
      let (name, status) = try requireStatus()
      return .status(name, status)
    case "NAMESPACE": return .namespaces(try requireNamespaces())
    case "ID": return .id(try requireID())
    case "SEARCH": return .search(try requireSearch(limit: limits.searchResults))
    case "ESEARCH": return .search(try requireESearch(limit: limits.searchResults))
    case "FLAGS": return .flags(try requireFlags())
    case "QUOTA": return .quota(try requireQuota())
    case "QUOTAROOT":
      let (name, roots) = try requireQuotaRoots()
      return .quotaRoots(name, roots)
    case "VANISHED":
      let isEarlier = consume(ignoringCase: "(EARLIER)")
      skipBlanks()
      return .vanished(try requireUIDSet(), earlier: isEarlier)
    default: return .other(name: name, bytes: copy(start..<max(start, bytes.count)))
    }
  }

  private mutating func numberedResponse(
    limits: IMAPLimits
  ) throws(IMAPSyntaxError) -> UntaggedResponse {
    let start = position
    let number = try requireNumber32("message number")
    skipBlanks()
    let name = take(while: \.isASCIILetter)
    skipBlanks()
    let word = slice(name)
    switch name.count {
    case 5 where word.equalsIgnoringCase("fetch"):
      return .fetch(try requireFetch(number, limits: limits))
    case 6 where word.equalsIgnoringCase("exists"): return .exists(number)
    case 6 where word.equalsIgnoringCase("recent"): return .recent(number)
    case 7 where word.equalsIgnoringCase("expunge"): return .expunge(number)
    default:
      return .other(name: String(utf8: word).uppercased(), bytes: copy(start..<bytes.count))
    }
  }

  /// Reads what follows `ID` (RFC 2971): names and values, or NIL.
  private mutating func requireID() throws(IMAPSyntaxError) -> [String: String] {
    var fields: [String: String] = [:]
    if consumeNIL() { return fields }
    try require(0x28, "id-params-list")
    while true {
      skipBlanks()
      if consume(0x29) { return fields }
      guard let name = try requireNString() else { throw syntaxError("id field") }
      skipBlanks()
      if next == 0x29 { continue }
      let value = try requireNString()
      guard fields.count < 30 else { continue }  // RFC 2971 §3.3 allows no more.
      fields[String(utf8: name.span).lowercased()] = value.map { String(utf8: $0.span) }
    }
  }
}
