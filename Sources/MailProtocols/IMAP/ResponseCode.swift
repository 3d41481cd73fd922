import Bytes

/// The machine-readable part of a status response (RFC 3501 §7.1, RFC 4315, RFC 5530, RFC 7162).
///
///     S: A3 OK [APPENDUID 38505 3955] APPEND completed
///     S: A4 NO [TRYCREATE] Mailbox doesn't exist
package enum ResponseCode: Hashable, Sendable {
  case capability(IMAPCapabilities)
  case permanentFlags([Flag])
  case uidNext(UID)
  case uidValidity(UIDValidity)
  case unseen(UInt32)
  case highestModSeq(ModSeq)
  case appendUID(AppendUID)
  case copyUID(CopyUID)
  case mailboxID(String)
  /// Any other code: its name in upper case and what follows it, such as `TRYCREATE`.
  case other(name: String, argument: String)

  /// The name in upper case.
  package var name: String {
    switch self {
    case .capability: "CAPABILITY"
    case .permanentFlags: "PERMANENTFLAGS"
    case .uidNext: "UIDNEXT"
    case .uidValidity: "UIDVALIDITY"
    case .unseen: "UNSEEN"
    case .highestModSeq: "HIGHESTMODSEQ"
    case .appendUID: "APPENDUID"
    case .copyUID: "COPYUID"
    case .mailboxID: "MAILBOXID"
    case .other(let name, _): name
    }
  }
}

/// Where an appended message went (RFC 4315 §3).
package struct AppendUID: Hashable, Sendable {
  package var uidValidity: UIDValidity
  package var uid: UID

  /// The message `uid` of the generation `uidValidity`.
  package init(uidValidity: UIDValidity, uid: UID) {
    self.uidValidity = uidValidity
    self.uid = uid
  }
}

/// Where copied or moved messages went (RFC 4315 §3).
package struct CopyUID: Hashable, Sendable {
  /// A message's UID before and after.
  package struct Pair: Hashable, Sendable {
    package var source: UID
    package var destination: UID
  }

  /// The generation of the UIDs in the mailbox copied to.
  package var uidValidity: UIDValidity
  /// Each message, in the order the server named them.
  package var pairs: [Pair]

  /// The UID that the copy of `uid` has.
  package func destination(of uid: UID) -> UID? {
    pairs.first { $0.source == uid }?.destination
  }
}

extension ByteReader {
  /// Reads `[code argument]`; nil where no bracket starts.
  ///
  /// Leniency `malformedCode`: a known code whose argument does not parse is kept as `.other`.
  mutating func responseCode() -> ResponseCode? {
    guard consume(0x5B) else { return nil }
    let nameRange = take { $0 > 0x20 && $0 != 0x5D }
    let name = String(utf8: slice(nameRange)).uppercased()
    skipBlanks()
    let start = position
    if let code = try? knownCode(name) {  // Why it did not parse is of no use: `.other` shows it.
      skipBlanks()
      if consume(0x5D) { return code }
    }
    seek(to: start)
    let argument = take(upTo: 0x5D)
    _ = consume(0x5D)
    return .other(name: name, argument: String(utf8: slice(argument)))
  }

  private mutating func knownCode(_ name: String) throws(IMAPSyntaxError) -> ResponseCode? {
    switch name {
    case "CAPABILITY": .capability(capabilities())
    case "PERMANENTFLAGS": .permanentFlags(try requireFlags())
    case "UIDNEXT": .uidNext(UID(try requireNumber32("UIDNEXT")))
    case "UIDVALIDITY": .uidValidity(UIDValidity(try requireNumber32("UIDVALIDITY")))
    case "UNSEEN": .unseen(try requireNumber32("UNSEEN"))
    case "HIGHESTMODSEQ": number().map { .highestModSeq(ModSeq($0)) }
    case "APPENDUID": try appendUID()
    case "COPYUID": try copyUID()
    case "MAILBOXID": try objectID().map { .mailboxID($0) }
    default: nil
    }
  }

  private mutating func appendUID() throws(IMAPSyntaxError) -> ResponseCode {
    let validity = UIDValidity(try requireNumber32("APPENDUID"))
    skipBlanks()
    let uid = UID(try requireNumber32("APPENDUID"))
    return .appendUID(AppendUID(uidValidity: validity, uid: uid))
  }

  private mutating func copyUID() throws(IMAPSyntaxError) -> ResponseCode {
    let validity = UIDValidity(try requireNumber32("COPYUID"))
    skipBlanks()
    let sources = try expandedUIDs()
    skipBlanks()
    let destinations = try expandedUIDs()
    guard sources.count == destinations.count else { throw syntaxError("COPYUID") }
    let pairs = zip(sources, destinations).map { CopyUID.Pair(source: $0, destination: $1) }
    return .copyUID(CopyUID(uidValidity: validity, pairs: pairs))
  }

  /// Reads `uid-set` as the UIDs in the order written; bounded, since `1:4294967295` is short.
  private mutating func expandedUIDs() throws(IMAPSyntaxError) -> [UID] {
    let limit = 1_000_000
    var uids: [UID] = []
    for (first, last) in try requireOrderedRanges() {
      guard uids.count + Int(max(first, last) - min(first, last)) < limit else {
        throw syntaxError("uid-set of fewer than \(limit) messages")
      }
      if first <= last {
        for value in first...last { uids.append(UID(value)) }
      } else {
        for value in (last...first).reversed() { uids.append(UID(value)) }
      }
    }
    return uids
  }

  /// Reads `"(" objectid ")"` (RFC 8474), or NIL.
  mutating func objectID() throws(IMAPSyntaxError) -> String? {
    if consumeNIL() { return nil }
    try require(0x28, "objectid")
    let range = take(while: \.isIMAPWord)
    try require(0x29, "objectid")
    return String(utf8: slice(range))
  }
}
