import Bytes

/// What a client says of the message that it brings, in MAIL (RFC 5321 §4.1.1.2).
package struct SMTPServerSender: Equatable, Sendable {
  /// The reverse-path; nil for a message that must not be answered.
  package var mailbox: SMTPMailbox?
  /// How large the client says that it is (RFC 1870).
  package var size: Int?
  /// Whether bytes above 127 are announced (RFC 6152).
  package var isEightBit = false
  /// Whether addresses and header may hold UTF-8 (RFC 6531).
  package var isUTF8 = false

  /// A message from `mailbox` of which nothing else is said.
  package init(mailbox: SMTPMailbox?) {
    self.mailbox = mailbox
  }

  /// The reverse-path on the wire, without angle brackets.
  package var address: String { mailbox?.address ?? "" }
}

/// A name and a password, as AUTH brought them (RFC 4954).
package struct SMTPServerCredentials: Equatable, Sendable {
  package var username: String
  package var password: String

  package init(username: String, password: String) {
    self.username = username
    self.password = password
  }
}

/// One command line, read.
enum SMTPServerCommand: Equatable, Sendable {
  case hello(SMTPGreetingKind, name: String)
  case mail(SMTPServerSender)
  case recipient(SMTPMailbox)
  case data
  case chunk(bytes: Int, isLast: Bool)
  case reset
  case noop
  case quit
  case verify
  case help
  case startTLS
  case auth(mechanism: String, initialResponse: [UInt8]?)
}

/// How a client says hello.
enum SMTPGreetingKind: Equatable, Sendable {
  case helo, ehlo, lhlo
}

/// Reads command lines.
struct SMTPServerCommandParser {
  let limits: SMTPServerLimits

  private static let syntax = EnhancedStatusCode(5, 5, 2)
  private static let arguments = EnhancedStatusCode(5, 5, 4)

  /// The command of a line without its end; throws the reply that refuses it.
  func parse(_ line: Span<UInt8>) throws(SMTPServerReply) -> SMTPServerCommand {
    for index in 0..<line.count where line[index].isControl && line[index] != .tab {
      throw SMTPServerReply(500, Self.syntax, "A command holds no control characters")
    }
    var reader = ByteReader(line)
    let verb = reader.take(while: \.isASCIILetter)
    guard !verb.isEmpty, reader.isAtEnd || reader.next?.isBlank == true else {
      throw Self.unknown
    }
    let name = line.extracting(verb)
    _ = reader.take(while: \.isBlank)
    if name.equalsIgnoringCase("mail") { return .mail(try mail(&reader)) }
    if name.equalsIgnoringCase("rcpt") { return .recipient(try recipient(&reader)) }
    if name.equalsIgnoringCase("bdat") { return try chunk(&reader) }
    if name.equalsIgnoringCase("auth") { return try auth(&reader) }
    if name.equalsIgnoringCase("ehlo") { return .hello(.ehlo, name: try helloName(&reader)) }
    if name.equalsIgnoringCase("helo") { return .hello(.helo, name: try helloName(&reader)) }
    if name.equalsIgnoringCase("lhlo") { return .hello(.lhlo, name: try helloName(&reader)) }
    if name.equalsIgnoringCase("noop") { return .noop }
    if name.equalsIgnoringCase("vrfy") { return .verify }
    if name.equalsIgnoringCase("help") { return .help }
    return try bare(name, isAlone: reader.isAtEnd)
  }

  static let unknown = SMTPServerReply(500, EnhancedStatusCode(5, 5, 1), "There is no such command")

  /// The commands that take no argument.
  private func bare(
    _ name: Span<UInt8>,
    isAlone: Bool
  ) throws(SMTPServerReply) -> SMTPServerCommand {
    let command: SMTPServerCommand
    if name.equalsIgnoringCase("data") {
      command = .data
    } else if name.equalsIgnoringCase("rset") {
      command = .reset
    } else if name.equalsIgnoringCase("quit") {
      command = .quit
    } else if name.equalsIgnoringCase("starttls") {
      command = .startTLS
    } else if name.equalsIgnoringCase("expn") || name.equalsIgnoringCase("turn")
      || name.equalsIgnoringCase("etrn") || name.equalsIgnoringCase("send")
      || name.equalsIgnoringCase("soml") || name.equalsIgnoringCase("saml")
    {
      throw SMTPServerReply(502, EnhancedStatusCode(5, 5, 1), "Not implemented here")
    } else {
      throw Self.unknown
    }
    guard isAlone else {
      throw SMTPServerReply(501, Self.arguments, "The command takes no argument")
    }
    return command
  }

  /// Anything that can stand in a Received field: names are not believed, so what they say does not matter.
  private func helloName(_ reader: inout ByteReader) throws(SMTPServerReply) -> String {
    let range = reader.take { $0 > 0x20 }
    let bytes = reader.copy(range)
    _ = reader.take(while: \.isBlank)
    guard !bytes.isEmpty, bytes.count <= limits.domainBytes, reader.isAtEnd,
      bytes.allSatisfy({
        $0.isASCIILetter || $0.isASCIIDigit || $0 >= 0x80
          || [0x2D, 0x2E, 0x3A, 0x5B, 0x5D, 0x5F].contains($0)
      })
    else {
      throw SMTPServerReply(501, Self.arguments, "Say who you are: a domain or an address literal")
    }
    return String(utf8: bytes.span)
  }

  // MARK: - The envelope

  private func mail(_ reader: inout ByteReader) throws(SMTPServerReply) -> SMTPServerSender {
    guard reader.consume(ignoringCase: "FROM:") else {
      throw SMTPServerReply(501, Self.arguments, "Write MAIL FROM:<address>")
    }
    var sender = SMTPServerSender(mailbox: try path(&reader, isSender: true))
    while let parameter = try parameter(&reader) {
      let value = parameter.value
      switch parameter.name {
      case "SIZE":
        guard let text = value, !text.isEmpty, text.utf8.count <= 20,
          text.utf8.allSatisfy(\.isASCIIDigit)
        else { throw SMTPServerReply(501, Self.arguments, "SIZE takes a number") }
        sender.size = Int(text) ?? .max
      case "BODY":
        switch value?.uppercased() {
        case "7BIT": sender.isEightBit = false
        case "8BITMIME": sender.isEightBit = true
        default: throw SMTPServerReply(501, Self.arguments, "BODY is 7BIT or 8BITMIME")
        }
      case "SMTPUTF8":
        guard value == nil else { throw Self.unknownParameter }
        sender.isUTF8 = true
      case "AUTH":
        // RFC 4954 §5: whom the client vouches for. It must be taken; nothing here believes it.
        guard value != nil else { throw Self.unknownParameter }
      default: throw Self.unknownParameter
      }
    }
    if !sender.isUTF8, sender.mailbox?.needsUTF8 == true { throw Self.needsUTF8 }
    return sender
  }

  private func recipient(_ reader: inout ByteReader) throws(SMTPServerReply) -> SMTPMailbox {
    guard reader.consume(ignoringCase: "TO:") else {
      throw SMTPServerReply(501, Self.arguments, "Write RCPT TO:<address>")
    }
    guard let mailbox = try path(&reader, isSender: false) else {
      throw SMTPServerReply(501, EnhancedStatusCode(5, 1, 3), "A message needs somebody to go to")
    }
    guard try parameter(&reader) == nil else { throw Self.unknownParameter }
    return mailbox
  }

  /// The refusal of an address with UTF-8 where MAIL did not say SMTPUTF8 (RFC 6531 §3.5).
  static let needsUTF8 = SMTPServerReply(
    553,
    EnhancedStatusCode(5, 6, 7),
    "An address with UTF-8 needs SMTPUTF8"
  )

  private static let unknownParameter = SMTPServerReply(
    555,
    arguments,
    "A parameter is not known here"
  )

  private func path(
    _ reader: inout ByteReader,
    isSender: Bool
  ) throws(SMTPServerReply) -> SMTPMailbox? {
    // RFC 5321 §3.3 has no space here; so many programs write one that all servers take it.
    _ = reader.take(while: \.isBlank)
    do throws(SMTPPathError) {
      let mailbox = try SMTPPathParser(limits: limits).path(&reader)
      guard reader.isAtEnd || reader.next?.isBlank == true else { throw .malformed }
      return mailbox
    } catch {
      let detail = isSender ? 7 : 3
      switch error {
      case .malformed:
        throw SMTPServerReply(501, EnhancedStatusCode(5, 1, detail), "That is no address")
      case .tooLong:
        throw SMTPServerReply(501, EnhancedStatusCode(5, 1, detail), "The address is too long")
      case .route:
        throw SMTPServerReply(
          550,
          EnhancedStatusCode(5, 7, 1),
          "Relaying denied: an address that names its way on"
        )
      }
    }
  }

  /// `esmtp-keyword ["=" esmtp-value]`, the keyword in upper case; nil at the end.
  private func parameter(
    _ reader: inout ByteReader
  ) throws(SMTPServerReply) -> (name: String, value: String?)? {
    _ = reader.take(while: \.isBlank)
    guard !reader.isAtEnd else { return nil }
    let name = reader.take { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D }
    guard !name.isEmpty else { throw Self.unknownParameter }
    var value: String?
    if reader.consume(0x3D) {
      let range = reader.take { $0 > 0x20 }
      value = String(utf8: reader.slice(range))
    }
    guard reader.isAtEnd || reader.next?.isBlank == true else { throw Self.unknownParameter }
    return (String(utf8: reader.slice(name)).uppercased(), value)
  }

  // MARK: - The rest

  /// `BDAT SP chunk-size [ SP "LAST" ]` (RFC 3030 §2).
  ///
  /// What cannot be read is fatal: its bytes would be read as commands.
  private func chunk(_ reader: inout ByteReader) throws(SMTPServerReply) -> SMTPServerCommand {
    guard let number = reader.number(), let count = Int(exactly: number) else {
      throw Self.brokenChunk
    }
    _ = reader.take(while: \.isBlank)
    if reader.isAtEnd { return .chunk(bytes: count, isLast: false) }
    guard reader.consume(ignoringCase: "LAST") else { throw Self.brokenChunk }
    _ = reader.take(while: \.isBlank)
    guard reader.isAtEnd else { throw Self.brokenChunk }
    return .chunk(bytes: count, isLast: true)
  }

  /// The refusal of a chunk whose length is not known, behind which nothing can be read any more.
  static let brokenChunk = SMTPServerReply(521, arguments, "Write BDAT and a number, and LAST")

  private func auth(_ reader: inout ByteReader) throws(SMTPServerReply) -> SMTPServerCommand {
    let mechanism = reader.take { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D || $0 == 0x5F }
    let name = String(utf8: reader.slice(mechanism)).uppercased()
    _ = reader.take(while: \.isBlank)
    guard !mechanism.isEmpty else {
      throw SMTPServerReply(501, Self.arguments, "Write AUTH and a mechanism")
    }
    guard !reader.isAtEnd else { return .auth(mechanism: name, initialResponse: nil) }
    let response = reader.take { $0 > 0x20 }
    _ = reader.take(while: \.isBlank)
    guard reader.isAtEnd else { throw Self.notBase64 }
    // A lone "=" is a response of no bytes (RFC 4954 §4).
    let text = reader.slice(response)
    if text.count == 1, text[0] == 0x3D { return .auth(mechanism: name, initialResponse: []) }
    guard let bytes = Base64.standard.decode(text) else { throw Self.notBase64 }
    return .auth(mechanism: name, initialResponse: bytes)
  }

  /// The refusal of an answer that is not base64 (RFC 4954 §4).
  static let notBase64 = SMTPServerReply(501, syntax, "That is not base64")
}
