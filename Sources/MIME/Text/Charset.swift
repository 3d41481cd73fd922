import Bytes

/// Text that was decoded from some charset, and what was wrong with it.
package struct DecodedText: Hashable, Sendable {
  /// The text; what could not be read stands as U+FFFD.
  package var text: String
  /// Why the text may not be what the author wrote; nil where it is.
  package var problem: Defect.Kind?

  /// Decoded text and its problem.
  package init(_ text: String, problem: Defect.Kind? = nil) {
    self.text = text
    self.problem = problem
  }
}

/// Decoding of bytes to text by the names that mail gives charsets.
///
/// UTF-8, ASCII, ISO-8859-1 and windows-1252 are decoded here, all else by iconv. Leniencies:
/// - *Latin-1 is windows-1252*: bytes 0x80 to 0x9F of ISO-8859-1 are read as windows-1252, as every
///   mail reader and the WHATWG Encoding Standard do; real text has no C1 controls.
/// - *Superset charsets*: GB2312 is read as GB18030, EUC-KR as CP949, Shift_JIS as CP932, since
///   their labels are put on text in the supersets.
/// - *Eight-bit ASCII*: text that is unlabelled or labelled ASCII and is not, is guessed.
package enum Charset {
  /// The text that `bytes` spell in the charset of this name; guessed where there is none.
  package static func decode(_ bytes: Span<UInt8>, charset name: String?) -> DecodedText {
    if name == "utf-8" { return decodeUTF8(bytes) }
    let name = normalised(name ?? "")
    switch name {
    case _ where utf8Names.contains(name): return decodeUTF8(bytes)
    case _ where vagueNames.contains(name): return guess(bytes)
    case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "l1", "cp819",
      "windows-1252", "cp1252", "cp-1252", "x-cp1252", "ansi", "x-ansi":
      return DecodedText(Windows1252.decode(bytes))
    default:
      if let decoded = Iconv.decode(bytes, charset: alias(of: name)) { return decoded }
      var guessed = guess(bytes)
      guessed.problem = .unknownCharset
      return guessed
    }
  }

  private static let utf8Names: Set = ["utf-8", "utf8", "unicode-1-1-utf-8", "utf-8n"]

  /// Names that do not say what bytes above ASCII mean.
  private static let vagueNames: Set = [
    "", "us-ascii", "ascii", "ansi_x3.4-1968", "646", "iso646-us", "unknown", "x-unknown",
    "unknown-8bit", "x-user-defined", "default", "x-default", "_autodetect",
  ]

  /// Whether text in the charset of this name is read as UTF-8 where it is valid as such.
  static func admitsUTF8(_ name: String?) -> Bool {
    guard let name, name != "utf-8" else { return true }
    let normalised = normalised(name)
    return utf8Names.contains(normalised) || vagueNames.contains(normalised)
  }

  /// Text of no stated charset: UTF-8 where it is valid, else windows-1252.
  ///
  /// Bytes above ASCII are a problem reported, since nothing said what they mean.
  package static func guess(_ bytes: Span<UInt8>) -> DecodedText {
    guard let valid = try? UTF8Span(validating: bytes) else {  // The reason is not of interest.
      return DecodedText(Windows1252.decode(bytes), problem: .malformedText)
    }
    return DecodedText(
      String(copying: valid),
      problem: valid.isKnownASCII || isASCII(bytes) ? nil : .malformedText
    )
  }

  private static func decodeUTF8(_ bytes: Span<UInt8>) -> DecodedText {
    let hasMark = bytes.count >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF
    let content = bytes.extracting((hasMark ? 3 : 0)..<bytes.count)
    guard let valid = try? UTF8Span(validating: content) else {  // The repair tells what was wrong.
      return DecodedText(String(utf8: content), problem: .malformedText)
    }
    return DecodedText(String(copying: valid))
  }

  private static func isASCII(_ bytes: Span<UInt8>) -> Bool {
    for index in bytes.indices where bytes[index] >= 0x80 { return false }
    return true
  }

  /// The name in lower case without quotes, blanks and RFC 2231's language.
  private static func normalised(_ name: String) -> String {
    let bytes = name.utf8.prefix { $0 != 0x2A && $0 != 0 }
    let kept = bytes.filter { $0 > 0x20 && $0 != 0x22 && $0 != 0x27 && $0 != 0x3B }
    return String(decoding: kept.map(\.asciiLowercased), as: UTF8.self)
  }

  /// The name that iconv knows for one that mail uses.
  private static func alias(of name: String) -> String {
    switch name {
    case "gb2312", "gbk", "x-gbk", "gb_2312-80", "cp936", "x-cp936", "euc-cn", "hz-gb2312":
      "gb18030"
    case "ks_c_5601-1987", "ks_c_5601-1989", "ksc5601", "euc-kr", "x-windows-949", "korean": "cp949"
    case "shift_jis", "shift-jis", "x-sjis", "sjis", "ms_kanji", "windows-31j": "cp932"
    case "big5", "x-x-big5", "cn-big5": "cp950"
    case "x-mac-roman", "mac", "x-macroman", "macroman": "macintosh"
    case "x-mac-cyrillic": "mac-cyrillic"
    case "iso-8859-8-i", "iso-8859-8-e", "logical", "visual": "iso-8859-8"
    case "iso-8859-6-i", "iso-8859-6-e": "iso-8859-6"
    case "unicode-1-1-utf-7", "x-utf-7", "utf7": "utf-7"
    case "x-euc-jp", "x-euc": "euc-jp"
    case "dos-874", "tis-620", "windows-874": "cp874"
    default: windowsAlias(of: name)
    }
  }

  /// The iconv name of `windows-125x`, `win-125x` and `x-cp125x`; any other as it is.
  private static func windowsAlias(of name: String) -> String {
    for prefix in ["windows-", "windows", "win-", "x-cp", "cp-"] where name.hasPrefix(prefix) {
      let number = name.dropFirst(prefix.count)
      if number.count == 4 || number.count == 3 { return "cp\(number)" }
    }
    return name
  }
}
