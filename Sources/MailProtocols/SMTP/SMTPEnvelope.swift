/// Who a message is from and for, as far as its transport is concerned (RFC 5321 §2.3.1).
package struct SMTPEnvelope: Equatable, Sendable {
  /// The reverse-path; empty for a message that must not be answered.
  package var sender: String
  /// Where the message is to go, in the order of the results.
  package var recipients: [String]

  /// An envelope of bare addresses, without angle brackets.
  package init(sender: String, recipients: [String]) {
    self.sender = sender
    self.recipients = recipients
  }

  /// Whether an address holds non-ASCII characters, so that the server must know RFC 6531.
  package var needsSMTPUTF8: Bool {
    !sender.utf8.allSatisfy { $0 < 0x80 }
      || !recipients.allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } }
  }

  /// Refuses what could end a command early, or never be an address.
  func validate(limits: SMTPLimits) throws(SMTPInputError) {
    guard !recipients.isEmpty else { throw .noRecipients }
    if !sender.isEmpty, let problem = AddressProblem(sender, limits: limits) {
      throw .sender(problem)
    }
    for (index, recipient) in recipients.enumerated() {
      if let problem = AddressProblem(recipient, limits: limits) {
        throw .recipient(index: index, problem)
      }
    }
  }
}

/// What makes a text no address of an envelope.
package enum AddressProblem: Equatable, Sendable {
  /// There is nothing in it.
  case empty
  /// It is longer than `SMTPLimits.addressBytes`.
  case tooLong
  /// It holds a control character (CR, LF and NUL among them), a space, `<` or `>`.
  case forbiddenCharacter

  init?(_ address: String, limits: SMTPLimits) {
    if address.isEmpty {
      self = .empty
    } else if address.utf8.count > limits.addressBytes {
      self = .tooLong
    } else if address.unicodeScalars.contains(where: \.isForbiddenInCommand) {
      self = .forbiddenCharacter
    } else {
      return nil
    }
  }
}

/// What a caller gave that must not, or cannot, be sent; nothing was sent.
package enum SMTPInputError: Error, Equatable, Sendable {
  /// The envelope has no recipient.
  case noRecipients
  /// The sender is no address.
  case sender(AddressProblem)
  /// The recipient at `index` is no address.
  case recipient(index: Int, AddressProblem)
  /// The name for EHLO is empty, or holds a space, a control or a non-ASCII character.
  case heloName
  /// The user name or the password holds NUL, which PLAIN cannot carry (RFC 4616 §2), or is empty.
  case credentials
}

extension Unicode.Scalar {
  /// Whether the scalar could end a command, or a path in it.
  var isForbiddenInCommand: Bool {
    switch value {
    case 0...0x20, 0x3C, 0x3E, 0x7F...0x9F, 0x2028, 0x2029: true
    default: false
    }
  }
}
