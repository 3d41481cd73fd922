import Bytes
import Model

/// What may stand in text that ends up in a message's header or on a mail server's command line.
enum TextRules {
  /// Notes CR, LF, NUL and other control characters, the way by which header fields are injected.
  static func checkLine(_ text: String, at pointer: String, faults: Faults) {
    if text.utf8.contains(where: { $0 == .cr || $0 == .lf || $0 == 0 }) {
      faults.addValue(pointer, .forbiddenCharacter, "CR, LF and NUL are not allowed.")
    } else if text.utf8.contains(where: { $0.isControl && $0 != .tab }) {
      faults.addValue(pointer, .forbiddenCharacter, "Control characters are not allowed.")
    }
  }

  /// Notes an address that no mail can be sent to; its grammar is that of an SMTP mailbox (RFC 5321
  /// §4.1.2), kept loose where servers are.
  static func checkAddress(_ text: String, at pointer: String, faults: Faults) {
    let before = faults.value.count
    checkLine(text, at: pointer, faults: faults)
    guard faults.value.count == before else { return }
    guard let sign = text.utf8.lastIndex(of: 0x40) else {
      return faults.addValue(pointer, .format, "An address as name@example.org is wanted.")
    }
    let local = text.utf8[..<sign]
    let domain = text.utf8[text.utf8.index(after: sign)...]
    let isQuoted = local.first == .quote && local.last == .quote && local.count > 2
    let badInLocal = local.contains {
      $0 == 0x3C || $0 == 0x3E || (!isQuoted && ($0 == .space || $0 == 0x2C || $0 == 0x40))
    }
    let badInDomain = domain.contains {
      $0 <= 0x20 || $0 == 0x3C || $0 == 0x3E || $0 == 0x2C || $0 == .quote || $0 == 0x3B
    }
    guard !local.isEmpty, !domain.isEmpty, !badInLocal, !badInDomain, local.count <= 64 || isQuoted,
      domain.count <= 253
    else {
      return faults.addValue(pointer, .format, "An address as name@example.org is wanted.")
    }
  }

  /// Notes a keyword that IMAP could not carry (RFC 8621 §4.1.1).
  static func checkKeyword(_ keyword: String, at pointer: String, faults: Faults) {
    let forbidden = Array("(){]%*\"\\".utf8)
    let isGood =
      (1...255).contains(keyword.utf8.count)
      && keyword.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !forbidden.contains($0) }
    guard isGood else {
      return faults.addValue(
        pointer,
        .format,
        "A keyword is 1 to 255 printable ASCII characters without ( ) { ] % * \" \\."
      )
    }
  }
}
