import Bytes

/// The words before a delimiter of an address list: a display name, or an address without brackets.
struct AddressPhrase {
  fileprivate struct Word {
    /// What the word adds to a display name.
    var text: [UInt8]
    /// What the word adds to an addr-spec: quotes and escapes kept.
    var raw: [UInt8]
    var isSpaced: Bool
    var isQuoted: Bool
  }

  /// Whether white space stands before the next word.
  var isSpaced = false
  /// The last comment, an old place of the name.
  var comment: [UInt8]?
  /// Whether the address in brackets was read, so that what follows is no address of its own.
  var isBehindAddress = false
  private var words: [Word] = []

  mutating func add(word: [UInt8]) {
    add(Word(text: word, raw: word, isSpaced: isSpaced, isQuoted: false))
  }

  mutating func add(quoted text: [UInt8]) {
    var raw: [UInt8] = [.quote]
    for byte in text {
      if byte == .quote || byte == .backslash { raw.append(.backslash) }
      raw.append(byte)
    }
    raw.append(.quote)
    add(Word(text: text, raw: raw, isSpaced: isSpaced, isQuoted: true))
  }

  private mutating func add(_ word: Word) {
    words.append(word)
    isSpaced = false
  }

  /// Ends the phrase at `:`: the name of a group.
  mutating func takeName() -> String {
    defer { self = AddressPhrase() }
    return Self.name(of: words[...]) ?? ""
  }

  /// Ends the phrase at `<…>`: what stands before is the name.
  mutating func takeAddress(_ email: [UInt8]) -> Address {
    defer { self = AddressPhrase() }
    return Address(
      name: Self.name(of: words[...]) ?? comment.flatMap(Self.decoded),
      email: EncodedWords.decode(email.span)
    )
  }

  /// A comment that follows `<…>` directly names that address, if nothing else does.
  mutating func takeTrailingComment() -> String? {
    guard isBehindAddress, words.isEmpty else { return nil }
    defer { comment = nil }
    return comment.flatMap(Self.decoded)
  }

  /// Ends the phrase at a separator: the addresses it holds without brackets.
  mutating func take() -> [Address] {
    defer { self = AddressPhrase() }
    guard !words.isEmpty else { return [] }
    if isBehindAddress, !words.contains(where: { Self.hasAt($0) }) { return [] }
    var addresses: [Address] = []
    var rest = words[...]
    while let at = rest.firstIndex(where: { Self.hasAt($0) }) {
      let spec = Self.specification(around: at, in: rest)
      let email = rest[spec].flatMap(\.raw)
      addresses.append(
        Address(
          name: Self.name(of: rest[..<spec.lowerBound]),
          email: EncodedWords.decode(email.span)
        )
      )
      rest = rest[spec.upperBound...]
    }
    guard let last = addresses.indices.last else { return [Self.nameless(words[...])] }
    // A name may stand behind its address, as a comment or plainly.
    if addresses[last].name == nil {
      addresses[last].name = Self.name(of: rest) ?? comment.flatMap(Self.decoded)
    }
    return addresses
  }

  /// What stands where an address should and has no `@`: a local user, or only a name.
  private static func nameless(_ words: ArraySlice<Word>) -> Address {
    let isName = words.count > 1 && words.dropFirst().contains(where: \.isSpaced)
    if isName || words.contains(where: \.isQuoted) {
      return Address(name: name(of: words), email: "")
    }
    let raw = words.flatMap(\.raw)
    return Address(email: EncodedWords.decode(raw.span))
  }

  private static func hasAt(_ word: Word) -> Bool {
    !word.isQuoted && word.raw.contains(0x40)
  }

  /// The words of the addr-spec around one with `@`: those that touch it, or dots and `@` apart.
  private static func specification(
    around index: Int,
    in words: ArraySlice<Word>
  ) -> Range<Int> {
    var start = index
    while start > words.startIndex {
      let current = words[start]
      let previous = words[start - 1]
      guard !current.isSpaced || current.startsOpen || previous.endsOpen else { break }
      start -= 1
    }
    var end = index + 1
    while end < words.endIndex {
      let next = words[end]
      guard !next.isSpaced || next.startsOpen || words[end - 1].endsOpen else { break }
      end += 1
    }
    return start..<end
  }

  private static func name(of words: ArraySlice<Word>) -> String? {
    var bytes: [UInt8] = []
    for word in words {
      if word.isSpaced, !bytes.isEmpty { bytes.append(.space) }
      bytes += word.text
    }
    return decoded(bytes)
  }

  /// A name as text without blanks around it; nil where nothing is left.
  private static func decoded(_ bytes: [UInt8]) -> String? {
    let text = EncodedWords.decode(bytes.span)
    let utf8 = text.utf8
    guard let start = utf8.firstIndex(where: { !$0.isBlank }),
      let end = utf8.lastIndex(where: { !$0.isBlank })
    else { return nil }
    return String(text[start...end])
  }
}

extension AddressPhrase.Word {
  /// Whether the word can't begin an addr-spec, so that it continues one.
  fileprivate var startsOpen: Bool { !isQuoted && (raw.first == 0x40 || raw.first == 0x2E) }

  /// Whether the word can't end an addr-spec, so that the next continues it.
  fileprivate var endsOpen: Bool { !isQuoted && (raw.last == 0x40 || raw.last == 0x2E) }
}
