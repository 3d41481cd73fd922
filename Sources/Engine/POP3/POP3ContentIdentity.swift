import Bytes
import Crypto

/// What a message is known by where its server's unique ids are no help.
///
/// Leniency `statusFields`: header fields in which servers that keep mbox files note what was read and by
/// what id (Status, X-Status, X-Keywords, X-UID, X-UIDL) are no part of it; they change from session to session.
struct POP3ContentIdentity: Hashable, Sendable {
  /// Of all of it.
  let digest: [UInt8]
  /// Of the header, where a server on its way gave it what no other message has: Received or Message-ID.
  let headerDigest: [UInt8]?

  /// Half of SHA-256: as many bits as nobody can look for.
  private static let length = 16
  private static let statusFields = ["status", "x-status", "x-keywords", "x-uid", "x-uidl"]
    .map { Array($0.utf8) }
  private static let ownFields = ["received", "message-id"].map { Array($0.utf8) }

  /// The identity of a message whose lines end by CRLF, or of a header alone.
  ///
  /// Whoever has the SHA-256 digest of all of it gives that.
  init(_ message: [UInt8], digest whole: [UInt8]? = nil) {
    var header = Header()
    header.scan(message.span)
    if header.kept.isEmpty {
      digest = whole.map { Array($0.prefix(Self.length)) } ?? Self.digest(message.span)
      headerDigest = header.isOwn ? Self.digest(message.span.extracting(0..<header.end)) : nil
      return
    }
    var kept: [UInt8] = []
    kept.reserveCapacity(message.count)
    for range in header.kept { kept += message[range] }
    headerDigest = header.isOwn ? Self.digest(kept.span) : nil
    kept += message[header.end...]
    digest = Self.digest(kept.span)
  }

  private static func digest(_ bytes: Span<UInt8>) -> [UInt8] {
    Array(Digest.sha256(bytes).prefix(length))
  }

  /// Goes over the lines of a header.
  private struct Header {
    /// Where the empty line begins, or all ends.
    private(set) var end = 0
    /// Whether one of its fields can be of no other message.
    private(set) var isOwn = false
    /// What counts, where something does not; else empty.
    private(set) var kept: [Range<Int>] = []
    private var keptFrom = 0
    private var isSkipping = false

    mutating func scan(_ span: Span<UInt8>) {
      while end < span.count {
        let rest = span.extracting(end..<span.count)
        let next = rest.firstIndex(of: 0x0A).map { end + $0 + 1 } ?? span.count
        if span[end] == 0x0D || span[end] == 0x0A { break }
        if span[end] != 0x20, span[end] != 0x09 { begin(span.extracting(end..<next)) }
        end = next
      }
      if isSkipping { resume() }
      if !kept.isEmpty { kept.append(keptFrom..<end) }
    }

    private mutating func begin(_ line: Span<UInt8>) {
      if isSkipping { resume() }
      // Most fields begin with another letter.
      switch line[0].asciiLowercased {
      case UInt8(ascii: "s"), UInt8(ascii: "x"), UInt8(ascii: "r"), UInt8(ascii: "m"): break
      default: return
      }
      guard let colon = line.firstIndex(of: 0x3A), colon <= 12 else { return }
      let name = line.extracting(0..<colon).array.map(\.asciiLowercased)
      if POP3ContentIdentity.ownFields.contains(name) { isOwn = true }
      guard POP3ContentIdentity.statusFields.contains(name) else { return }
      kept.append(keptFrom..<end)
      isSkipping = true
    }

    private mutating func resume() {
      isSkipping = false
      keptFrom = end
    }
  }
}
