import Bytes

extension HeaderLine {
  /// The longest value that is written on one line.
  private static let longestValue = 55

  /// Adds `; name=value` for each parameter: a token or quoted string where the value is short and
  /// printable ASCII, the extended form of RFC 2231 where it is not.
  mutating func append(_ parameters: [MIMEParameter]) {
    for parameter in parameters {
      let value = Array(parameter.value.utf8)
      // Readers decode encoded words even here, where RFC 2047 §5 forbids them.
      let isPrintable =
        value.allSatisfy { $0 >= 0x20 && $0 < 0x7F } && !parameter.value.contains("=?")
      if isPrintable, value.count <= Self.longestValue {
        let isToken = !value.isEmpty && value.allSatisfy(\.isTokenCharacter)
        let text = isToken ? parameter.value : parameter.value.quotedString
        append(parameter: "\(parameter.name)=\(text)")
      } else if isPrintable {
        append(continued: parameter.name, value)
      } else {
        append(extended: parameter.name, value)
      }
    }
  }

  private mutating func append(parameter: String) {
    append(tight: ";")
    append(token: parameter)
  }

  /// `name*0="…"; name*1="…"` (RFC 2231 §3).
  private mutating func append(continued name: String, _ value: [UInt8]) {
    var start = 0
    var section = 0
    while start < value.count {
      let end = min(start + Self.longestValue, value.count)
      let text = String(decoding: value[start..<end], as: UTF8.self).quotedString
      append(parameter: "\(name)*\(section)=\(text)")
      start = end
      section += 1
    }
  }

  /// `name*=utf-8''…`, or in sections `name*0*=utf-8''…; name*1*=…` (RFC 2231 §4); no escape is cut,
  /// and no character either.
  private mutating func append(extended name: String, _ value: [UInt8]) {
    var sections: [[UInt8]] = []
    var current = Array("utf-8''".utf8)
    for scalar in String(decoding: value, as: UTF8.self).unicodeScalars {
      var escaped: [UInt8] = []
      for byte in String(scalar).utf8 {
        if byte.isAttributeCharacter {
          escaped.append(byte)
        } else {
          escaped.appendEscape(0x25, byte)
        }
      }
      if current.count + escaped.count > Self.longestValue {
        sections.append(current)
        current = []
      }
      current.append(contentsOf: escaped)
    }
    sections.append(current)
    for (index, section) in sections.enumerated() {
      let number = sections.count == 1 ? "*" : "*\(index)*"
      append(parameter: "\(name)\(number)=\(String(decoding: section, as: UTF8.self))")
    }
  }
}

extension UInt8 {
  /// `token` (RFC 2045 §5.1): printable ASCII without tspecials.
  var isTokenCharacter: Bool {
    self > 0x20 && self < 0x7F && !#"()<>@,;:\"/[]?="#.utf8.contains(self)
  }

  /// `attribute-char` (RFC 2231 §7).
  var isAttributeCharacter: Bool {
    isTokenCharacter && self != 0x2A && self != 0x27 && self != 0x25
  }
}
