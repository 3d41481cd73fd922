import MailProtocols

/// IMAP's flags and JMAP's keywords (RFC 8621 §4.1.1): `\Seen` is `$seen`, a keyword stands for itself in lower case.
enum KeywordMap {
  private static let system: [(flag: Flag, keyword: String)] = [
    (.seen, "$seen"), (.answered, "$answered"), (.flagged, "$flagged"), (.draft, "$draft"),
  ]

  /// The keywords of `flags`, sorted; `\Deleted` and `\Recent` are none.
  static func keywords(of flags: [Flag]) -> [String] {
    guard !flags.isEmpty else { return [] }
    var keywords: [String] = []
    for flag in flags where flag != .deleted && flag != .recent {
      if let known = system.first(where: { $0.flag == flag }) {
        keywords.append(known.keyword)
      } else if !flag.isSystem {
        keywords.append(flag.name.lowercased())
      }
    }
    return keywords.count > 1 ? Set(keywords).sorted() : keywords
  }

  /// The flags of `keywords`; a keyword that no flag can spell is left out.
  static func flags(of keywords: [String]) -> [Flag] {
    keywords.compactMap { keyword in
      system.first { $0.keyword == keyword }?.flag ?? Flag(keyword)
    }
  }
}
