import Bytes

/// Character references of HTML: numbers, and the names that HTML 4 has.
enum HTMLEntities {
  /// Decodes the reference that starts at `&`; one that is none is text.
  static func decode(_ reader: inout ByteReader, into output: inout [UInt8]) {
    let start = reader.position
    reader.skip(1)
    let scalar = reader.next == 0x23 ? number(&reader) : named(&reader)
    guard let scalar else {
      reader.seek(to: start + 1)
      output.append(0x26)
      return
    }
    _ = reader.consume(0x3B)
    output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
  }

  /// `&#233;` or `&#xE9;`; numbers of no character are U+FFFD, C1 is windows-1252.
  private static func number(_ reader: inout ByteReader) -> Unicode.Scalar? {
    reader.skip(1)
    let isHex = reader.consume(0x78) || reader.consume(0x58)
    let digits = reader.take { isHex ? $0.hexValue != nil : $0.isASCIIDigit }
    guard !digits.isEmpty else { return nil }
    var value: UInt32 = 0
    for index in digits {
      guard let digit = reader.bytes[index].hexValue else { break }
      value = min(value * (isHex ? 16 : 10) + UInt32(digit), 0x110000)
    }
    if (0x80..<0xA0).contains(value) {
      let byte = [UInt8(truncatingIfNeeded: value)]
      return Windows1252.decode(byte.span).unicodeScalars.first
    }
    if value == 0 { return "\u{FFFD}" }
    return Unicode.Scalar(value) ?? "\u{FFFD}"
  }

  private static func named(_ reader: inout ByteReader) -> Unicode.Scalar? {
    let longestName = 8
    let start = reader.position
    let name = reader.take { $0.isASCIILetter || $0.isASCIIDigit }
    guard !name.isEmpty, name.count <= longestName else {
      reader.seek(to: start)
      return nil
    }
    return scalars[String(utf8: reader.slice(name))].flatMap { Unicode.Scalar($0) }
  }

  private static let scalars: [String: UInt32] = {
    var table = others
    // The names of U+00A0 to U+00FF in their order.
    for (offset, name) in latin1.split(separator: " ").enumerated() {
      table[String(name)] = 0xA0 + UInt32(offset)
    }
    return table
  }()

  private static let latin1 = """
    nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr \
    deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest \
    Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute \
    Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml \
    Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml \
    igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave \
    uacute ucirc uuml yacute thorn yuml
    """

  private static let others: [String: UInt32] = [
    "amp": 0x26, "AMP": 0x26, "lt": 0x3C, "LT": 0x3C, "gt": 0x3E, "GT": 0x3E, "quot": 0x22,
    "QUOT": 0x22, "apos": 0x27, "OElig": 0x152, "oelig": 0x153, "Scaron": 0x160, "scaron": 0x161,
    "Yuml": 0x178, "fnof": 0x192, "circ": 0x2C6, "tilde": 0x2DC, "ensp": 0x2002, "emsp": 0x2003,
    "thinsp": 0x2009, "zwnj": 0x200C, "zwj": 0x200D, "lrm": 0x200E, "rlm": 0x200F, "ndash": 0x2013,
    "mdash": 0x2014, "lsquo": 0x2018, "rsquo": 0x2019, "sbquo": 0x201A, "ldquo": 0x201C,
    "rdquo": 0x201D, "bdquo": 0x201E, "dagger": 0x2020, "Dagger": 0x2021, "bull": 0x2022,
    "hellip": 0x2026, "permil": 0x2030, "prime": 0x2032, "Prime": 0x2033, "lsaquo": 0x2039,
    "rsaquo": 0x203A, "oline": 0x203E, "frasl": 0x2044, "euro": 0x20AC, "trade": 0x2122,
    "larr": 0x2190, "uarr": 0x2191, "rarr": 0x2192, "darr": 0x2193, "harr": 0x2194, "part": 0x2202,
    "prod": 0x220F, "sum": 0x2211, "minus": 0x2212, "radic": 0x221A, "infin": 0x221E, "cap": 0x2229,
    "int": 0x222B, "asymp": 0x2248, "ne": 0x2260, "equiv": 0x2261, "le": 0x2264, "ge": 0x2265,
    "loz": 0x25CA, "spades": 0x2660, "clubs": 0x2663, "hearts": 0x2665, "diams": 0x2666,
    "Alpha": 0x391, "Beta": 0x392, "Gamma": 0x393, "Delta": 0x394, "Omega": 0x3A9, "alpha": 0x3B1,
    "beta": 0x3B2, "gamma": 0x3B3, "delta": 0x3B4, "epsilon": 0x3B5, "lambda": 0x3BB, "mu": 0x3BC,
    "pi": 0x3C0, "sigma": 0x3C3, "tau": 0x3C4, "omega": 0x3C9,
  ]
}
