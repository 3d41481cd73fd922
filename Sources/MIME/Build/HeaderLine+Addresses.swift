import Bytes

extension HeaderLine {
  /// Adds an address list (RFC 5322 §3.4).
  ///
  /// `field` names the list in errors.
  mutating func append(_ addresses: [Address], field: String) throws(MessageBuildError) {
    for (index, address) in addresses.enumerated() {
      let spec = try AddrSpec(address.email, field: "\(field)/\(index)/email").wire
      let end = index == addresses.count - 1 ? "" : ","
      guard let name = address.name, !name.isEmpty else {
        append(token: spec + end)
        continue
      }
      try name.checkForHeader("\(field)/\(index)/name")
      append(phrase: name)
      append(token: "<\(spec)>\(end)")
    }
  }

  /// Adds a display name: atoms, a quoted string, or encoded words, the first that can say it.
  private mutating func append(phrase name: String) {
    let words = name.split(separator: " ", omittingEmptySubsequences: false)
    if words.allSatisfy({ !$0.isEmpty && $0.utf8.count < 70 && $0.utf8.allSatisfy(\.isAtomText) }),
      !name.utf8.contains(0x3F)
    {
      for word in words { append(token: String(word)) }
    } else if name.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }), name.utf8.count <= 70,
      !name.contains("=?")
    {
      append(token: name.quotedString)
    } else {
      append(encoding: name)
    }
  }
}

/// The addr-spec of an address (RFC 5322 §3.4.1), with UTF-8 as RFC 6532 extends it.
struct AddrSpec {
  /// The form to write.
  let wire: String

  /// Checks `email`.
  ///
  /// A local part of atoms with dots in odd places (`a..b@`), which some providers gave out, is quoted.
  init(_ email: String, field: String) throws(MessageBuildError) {
    try email.checkForHeader(field)
    guard let at = email.utf8.lastIndex(of: 0x40), email.utf8.count <= 320 else {
      throw .invalidAddress(field: field)
    }
    let local = email[..<at]
    let domain = email[email.utf8.index(after: at)...]
    guard !local.isEmpty, !domain.isEmpty, Self.isDomain(domain),
      !email.unicodeScalars.contains(where: \.isInvisible)
    else { throw .invalidAddress(field: field) }
    if local.utf8.allSatisfy({ $0.isAtomText || $0 >= 0x80 || $0 == 0x2E }) {
      let isDotAtom = local.split(separator: ".", omittingEmptySubsequences: false)
        .allSatisfy { !$0.isEmpty }
      wire = isDotAtom ? email : "\(String(local).quotedString)@\(domain)"
    } else if Self.isQuotedString(local) {
      wire = email
    } else {
      throw .invalidAddress(field: field)
    }
  }

  private static func isDomain(_ domain: Substring) -> Bool {
    if domain.first == "[", domain.last == "]" {
      return domain.dropFirst().dropLast().utf8.allSatisfy {
        $0 > 0x20 && $0 < 0x7F && $0 != 0x5B && $0 != 0x5D && $0 != 0x5C
      }
    }
    return domain.utf8.allSatisfy { $0.isAtomText || $0 >= 0x80 || $0 == 0x2E }
      && domain.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
  }

  private static func isQuotedString(_ local: Substring) -> Bool {
    guard local.utf8.count >= 2, local.utf8.first == .quote, local.utf8.last == .quote else {
      return false
    }
    var isEscaped = false
    for byte in local.utf8.dropFirst().dropLast() {
      guard byte >= 0x20, byte != 0x7F else { return false }
      if isEscaped {
        isEscaped = false
      } else if byte == .backslash {
        isEscaped = true
      } else if byte == .quote {
        return false
      }
    }
    return !isEscaped
  }
}

extension UInt8 {
  /// `atext` (RFC 5322 §3.2.3).
  var isAtomText: Bool {
    isASCIILetter || isASCIIDigit || "!#$%&'*+-/=?^_`{|}~".utf8.contains(self)
  }
}

extension Unicode.Scalar {
  /// Whether the scalar is a C1 control or a line end of Unicode, of no use in an address.
  fileprivate var isInvisible: Bool {
    switch value {
    case 0x80...0x9F, 0x2028, 0x2029: true
    default: false
    }
  }
}

extension String {
  /// The text as a quoted string (RFC 5322 §3.2.4).
  var quotedString: String {
    var output = "\""
    for scalar in unicodeScalars {
      if scalar == "\"" || scalar == "\\" { output.unicodeScalars.append("\\") }
      output.unicodeScalars.append(scalar)
    }
    return output + "\""
  }
}

/// The addresses as the body of a field, unfolded where they are short, such as `Ann <ann@example>`.
package func formatAddressList(_ addresses: [Address]) throws(MessageBuildError) -> String {
  var line = HeaderLine("")
  try line.append(addresses, field: "addresses")
  var output: [UInt8] = []
  line.end(into: &output)
  return String(decoding: output.dropFirst(addresses.isEmpty ? 1 : 2).dropLast(2), as: UTF8.self)
}
