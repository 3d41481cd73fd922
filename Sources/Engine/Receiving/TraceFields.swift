import Bytes
import MIME
import MailProtocols
import MailTransport
import Net

/// The header fields that say by what way a message came (RFC 5321 §4.4).
enum TraceFields {
  /// How many hosts a message may have been through before it is taken for one that goes round (RFC 5321 §6.3).
  static let hopLimit = 100

  /// `Return-Path` and `Received`, to stand before the message's own.
  ///
  /// `recipient` stands in them only where the message is for nobody else, since the others need not know of it.
  static func make(
    for client: SMTPServerClient,
    isSignedIn: Bool,
    sender: SMTPServerSender,
    recipient: String?,
    hostName: String,
    seconds: Int64
  ) -> [UInt8] {
    var output: [UInt8] = []
    output.append("Return-Path: <")
    output.append(text: sender.address)
    output.append(">\r\nReceived: from ")
    output.append(text: client.name.isEmpty ? "unknown" : client.name)
    if let address = client.address.flatMap(literal) {
      output.append(" (")
      output.append(text: address)
      output.append(")")
    }
    output.append("\r\n\tby ")
    output.append(text: hostName)
    output.append(" with ")
    output.append(text: protocolName(client, isSignedIn, sender))
    if let recipient {
      output.append("\r\n\tfor <")
      output.append(text: recipient)
      output.append(">")
    }
    output.append(";\r\n\t")
    output.append(text: MIMEDate(seconds: seconds).formatted)
    output.append("\r\n")
    return output
  }

  /// Whether a message has been through too many hosts.
  static func isLooping(_ message: [UInt8]) -> Bool {
    let header = HeaderFields(parsing: Array(message.prefix(headerBytes)))
    return header.all("received").count > hopLimit
  }

  /// As much of a message as is looked at for its hops.
  private static let headerBytes = 65_536

  private static func literal(_ address: SocketAddress) -> String? {
    switch address {
    case .ipv4: "[\(address.ip)]"
    case .ipv6: "[IPv6:\(address.ip)]"
    case .unix: nil
    }
  }

  /// The keyword for how it came (RFC 3848, RFC 6531 §4.3).
  private static func protocolName(
    _ client: SMTPServerClient,
    _ isSignedIn: Bool,
    _ sender: SMTPServerSender
  ) -> String {
    let suffix = (client.isSecure ? "S" : "") + (isSignedIn ? "A" : "")
    if client.kind == .lmtp { return (sender.isUTF8 ? "UTF8LMTP" : "LMTP") + suffix }
    if sender.isUTF8 { return "UTF8SMTP" + suffix }
    return client.isExtended ? "ESMTP" + suffix : "SMTP"
  }
}
