/// How content is encoded for transport (RFC 2045 §6).
package enum TransferEncoding: Hashable, Sendable {
  case sevenBit
  case eightBit
  case binary
  case quotedPrintable
  case base64
  case uuencode
  /// A name, in lower case, that no RFC knows: the content is read as it is.
  case unknown(String)

  /// The encoding of this name in any case.
  package init(name: String) {
    switch name.lowercased() {
    case "", "7bit", "7-bit", "7 bit": self = .sevenBit
    case "8bit", "8-bit", "8 bit": self = .eightBit
    case "binary": self = .binary
    case "quoted-printable", "quotedprintable", "qp": self = .quotedPrintable
    case "base64", "base-64": self = .base64
    case "x-uuencode", "uuencode", "x-uue", "uue", "x-uu": self = .uuencode
    case let other: self = .unknown(other)
    }
  }

  /// The name as a field spells it.
  package var name: String {
    switch self {
    case .sevenBit: "7bit"
    case .eightBit: "8bit"
    case .binary: "binary"
    case .quotedPrintable: "quoted-printable"
    case .base64: "base64"
    case .uuencode: "x-uuencode"
    case .unknown(let name): name
    }
  }

  /// Whether content is written as it is.
  package var isIdentity: Bool {
    switch self {
    case .sevenBit, .eightBit, .binary, .unknown: true
    case .quotedPrintable, .base64, .uuencode: false
    }
  }
}
