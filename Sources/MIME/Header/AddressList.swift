import Bytes

/// The addresses of an address-list field body, the members of groups among them.
package func parseAddressList(_ bytes: Span<UInt8>) -> [Address] {
  AddressList.parse(bytes).flatMap { item in
    switch item {
    case .address(let address): [address]
    case .group(let group): group.addresses
    }
  }
}

/// The grammar of address lists (RFC 5322 §3.4 and §4.4), read without ever failing.
///
///     Pete(A nice \) chap) <pete(his account)@silly.test>, A Group:Ed Jones <joe@where.test>;
///
/// Leniencies, each from mail that is met: semicolons between addresses, names with unquoted dots,
/// at signs and brackets, encoded words in quotes, a name behind its address, addresses parted by
/// blanks alone, and quotes, comments, brackets and groups that have no end.
package enum AddressList {
  /// The mailboxes and groups of an address-list field body.
  package static func parse(_ bytes: Span<UInt8>) -> [AddressOrGroup] {
    var list = AddressListBuilder()
    var reader = ByteReader(bytes)
    var phrase = AddressPhrase()
    // Once a quote has no end, neither has any behind it: looking again would cost the square.
    var quotesEnd = true
    while let byte = reader.next {
      switch byte {
      case 0x2C, 0x3B:
        reader.skip(1)
        list.add(phrase.take())
        if byte == 0x3B { list.endGroup() }
      case 0x3A:
        reader.skip(1)
        list.startGroup(phrase.takeName())
      case 0x3C:
        reader.skip(1)
        list.add([phrase.takeAddress(reader.angleAddress())])
        phrase.isBehindAddress = true
      case 0x28:
        phrase.comment = reader.comment()
        list.nameLast(phrase.takeTrailingComment())
      case .quote where quotesEnd:
        quotesEnd = reader.closesQuote()
        if quotesEnd { phrase.add(quoted: reader.quotedString()) } else { reader.skip(1) }
      case 0x5B: phrase.add(word: reader.domainLiteral())
      default:
        if byte.isFieldSpace {
          reader.skipWhitespace()
          phrase.isSpaced = true
        } else if byte == 0x3E || byte == .quote {
          reader.skip(1)
        } else {
          phrase.add(word: reader.copy(reader.take { !$0.delimitsAddress }))
        }
      }
    }
    list.add(phrase.take())
    list.endGroup()
    return list.items
  }
}

extension UInt8 {
  /// Whether this ends a word of an address list.
  fileprivate var delimitsAddress: Bool {
    switch self {
    case 0x22, 0x28, 0x2C, 0x3A, 0x3B, 0x3C, 0x3E, 0x5B: true
    default: isFieldSpace
    }
  }

  /// Whether this ends a domain literal, well or badly.
  fileprivate var endsLiteral: Bool {
    self == 0x5B || self == 0x5D || self == 0x2C || self == 0x3C
  }
}

extension ByteReader {
  /// The addr-spec of an angle address whose `<` was read, without route, blanks and comments.
  fileprivate mutating func angleAddress() -> [UInt8] {
    while next == 0x3C || (next?.isFieldSpace ?? false) { skip(1) }
    // Only a route (RFC 5322 §4.4 `obs-route`) may hold a comma: elsewhere the `>` was forgotten.
    let hasRoute = next == 0x40
    var address: [UInt8] = []
    loop: while let byte = next {
      switch byte {
      case 0x3E:
        while consume(0x3E) {}
        break loop
      case 0x2C, 0x3B:
        if !hasRoute { break loop }
        skip(1)
        address.append(byte)
      case 0x28: _ = comment()
      case .quote where closesQuoteNearby():
        let start = position
        _ = quotedString()
        address += copy(start..<position)
      default:
        skip(1)
        if !byte.isFieldSpace { address.append(byte) }
      }
    }
    guard hasRoute, let colon = address.firstIndex(of: 0x3A) else { return address }
    return [UInt8](address[(colon + 1)...])
  }

  /// Whether a quoted local part that starts here ends before its address does.
  private func closesQuoteNearby() -> Bool {
    let longestLocalPart = 512
    for offset in 1..<longestLocalPart {
      guard let byte = peek(offset) else { return false }
      if byte == .quote { return true }
    }
    return false
  }

  /// A domain literal such as `[192.0.2.1]`; the bracket alone where it has no end nearby.
  fileprivate mutating func domainLiteral() -> [UInt8] {
    let longestLiteral = 256
    let start = position
    skip(1)
    let inner = take { !$0.isFieldSpace && !$0.endsLiteral }
    if inner.count < longestLiteral, consume(0x5D) { return copy(start..<position) }
    seek(to: start + 1)
    return [0x5B]
  }
}
