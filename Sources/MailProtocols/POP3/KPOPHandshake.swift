import Bytes

/// The client's side of Kerberos' `sendauth`, which precedes POP3 on the port of KPOP.
///
/// No RFC has it; it is what `krb5_sendauth` and `krb5_recvauth` of MIT and Heimdal say to each other.
/// Each message has its length before it, four bytes, the most significant first.
///
///     C: 0000 0013 KRB5_SENDAUTH_V1.0␀     C: 0000 0009 KPOPV1.0␀
///     S: 00                                 the versions are good; else 1, 2 or 3
///     C: length, KRB_AP_REQ                 the ticket, and that it is ours (RFC 4120 §5.5.1)
///     S: 0000 0000                          it is good; else a KRB_ERROR
///     S: length, KRB_AP_REP                 the server has the key of the service
///     S: +OK POP3 ready                     and from here on POP3
///
/// The tickets are made by libkrb5, in the driver: here are only the lengths.
package struct KPOPHandshake: Sendable {
  /// What the driver does next.
  package enum Event: Hashable, Sendable {
    /// It makes a KRB_AP_REQ and calls `sendRequest`.
    case wantsRequest
    /// It checks this KRB_AP_REP; if it is good the session starts with `rest`.
    case proof([UInt8], rest: [UInt8])
    /// The server does not take the ticket: its KRB_ERROR.
    case refused(error: [UInt8])
    /// The server speaks another version, or no KPOP.
    case broken(reason: String)
  }

  private enum Stage {
    case versions, request, verdict, proof, done
  }

  /// The longest message that is read; a ticket of many groups has some 64 KB.
  package static let longestMessage = 256 << 10
  /// The name of the protocol behind the handshake.
  package static let version = "KPOPV1.0"

  private var stage = Stage.versions
  private var buffer: [UInt8] = []
  private var output: [UInt8] = []

  /// A handshake whose first messages are in the output.
  package init() {
    append(Array("KRB5_SENDAUTH_V1.0\u{0}".utf8))
    append(Array("\(Self.version)\u{0}".utf8))
  }

  /// What is to be written now; empty where there is nothing.
  package mutating func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// Takes in what the network brought.
  package mutating func receive(_ bytes: [UInt8]) { buffer += bytes }

  /// Sends the KRB_AP_REQ.
  package mutating func sendRequest(_ request: [UInt8]) {
    precondition(stage == .request, "no request is wanted")
    append(request)
    stage = .verdict
  }

  /// The next thing to do; nil while more bytes are needed.
  package mutating func next() -> Event? {
    switch stage {
    case .versions:
      guard let answer = buffer.first else { return nil }
      buffer.removeFirst()
      guard answer == 0 else { return broken(Self.words(for: answer)) }
      stage = .request
      return .wantsRequest
    case .verdict:
      guard let message = message() else { return oversized }
      guard message.isEmpty else {
        stage = .done
        return .refused(error: message)
      }
      stage = .proof
      return next()
    case .proof:
      guard let message = message() else { return oversized }
      stage = .done
      defer { buffer = [] }
      return .proof(message, rest: buffer)
    case .request, .done: return nil
    }
  }

  private static func words(for answer: UInt8) -> String {
    switch answer {
    case 1: "the server speaks another version of sendauth"
    case 2: "the server does not speak \(version)"
    case 0x2B, 0x2D: "the server speaks POP3 at once, without Kerberos"
    default: "the server answers the versions by \(answer)"
    }
  }

  private var length: Int? {
    guard buffer.count >= 4 else { return nil }
    return buffer[..<4].reduce(0) { $0 << 8 | Int($1) }
  }

  /// The next message, consumed; nil where it is not there, or too long.
  private mutating func message() -> [UInt8]? {
    guard let length, length <= Self.longestMessage, buffer.count >= 4 + length else { return nil }
    defer { buffer.removeFirst(4 + length) }
    return Array(buffer[4..<4 + length])
  }

  private var oversized: Event? {
    mutating get {
      guard let length, length > Self.longestMessage else { return nil }
      return broken("a message of \(length) bytes in the handshake")
    }
  }

  private mutating func broken(_ reason: String) -> Event {
    stage = .done
    return .broken(reason: reason)
  }

  private mutating func append(_ message: [UInt8]) {
    let count = UInt32(clamping: message.count)
    output += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> UInt32($0)) }
    output += message
  }
}
