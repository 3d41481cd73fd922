import Bytes

/// What is known of a mailbox from before, so that the server can tell what changed since
/// (RFC 7162 §3.2.5).
///
///     C: A3 SELECT "INBOX" (QRESYNC (67890007 90060115194045000 41:211,214:541))
///     S: * VANISHED (EARLIER) 41,43:116
///     S: * 49 FETCH (UID 117 FLAGS (\Seen) MODSEQ (90060115194045001))
///     S: A3 OK [READ-WRITE] mailbox selected
package struct ResyncPoint: Hashable, Sendable {
  /// The generation that the other members belong to.
  package var uidValidity: UIDValidity
  /// The mailbox's version when it was last read as a whole.
  package var modSeq: ModSeq
  /// The messages known; nil asks of every message there ever was.
  package var uids: UIDSet?
  /// Places that messages had, which lets a server that keeps no record of expunges find out what
  /// is gone without naming every message (RFC 7162 §3.2.5.2).
  package var matches: SequenceMatch?

  /// What was known of the generation `uidValidity` at the version `modSeq`.
  package init(
    uidValidity: UIDValidity,
    modSeq: ModSeq,
    uids: UIDSet? = nil,
    matches: SequenceMatch? = nil
  ) {
    self.uidValidity = uidValidity
    self.modSeq = modSeq
    self.uids = uids
    self.matches = matches
  }

  /// A greater set is written as the range around it, since servers limit a command to 8 KB and more.
  static let longestSet = 4000

  /// The UIDs as they are sent: `uids`, or the range around them.
  var sentUIDs: UIDSet? {
    guard let uids, let bounds = uids.bounds else { return nil }
    var bytes: [UInt8] = []
    uids.write(to: &bytes)
    return bytes.count > Self.longestSet ? UIDSet(bounds) : uids
  }

  func write(to output: inout CommandWriter) {
    output.text("(\(uidValidity) \(modSeq)")
    if let sentUIDs { output.text(" \(sentUIDs)") }
    // The grammar allows the matches without the UIDs, some parsers do not.
    if sentUIDs != nil, let matches, !matches.sequenceNumbers.isEmpty {
      output.text(" (\(matches.sequenceNumbers) \(matches.uids))")
    }
    output.text(")")
  }
}

/// Some messages' places in the mailbox with their UIDs, both ascending.
package struct SequenceMatch: Hashable, Sendable {
  /// The places, as a set of numbers.
  package let sequenceNumbers: UIDSet
  /// The UIDs of the messages at these places.
  package let uids: UIDSet

  /// A sample of the messages of a mailbox that holds exactly `uids`: the further back, the sparser,
  /// since most of what goes is new.
  package init(of uids: UIDSet) {
    var numbers = UIDSet()
    var sample = UIDSet()
    let count = uids.ranges.last?.upperBound == .max ? 0 : uids.count
    var wanted: [Int] = []
    var step = 1
    var place = count
    while place > 0, wanted.count < 30 {
      wanted.append(place)
      place -= step
      step *= 2
    }
    var base = 0
    for range in uids.ranges where !wanted.isEmpty {
      let size = Int(range.upperBound - range.lowerBound) + 1
      while let next = wanted.last, next <= base + size {
        numbers.insert(UID(UInt32(clamping: next)))
        sample.insert(UID(range.lowerBound + UInt32(next - base - 1)))
        wanted.removeLast()
      }
      base += size
    }
    sequenceNumbers = numbers
    self.uids = sample
  }
}

extension IMAPCommand {
  /// SELECT, or EXAMINE, with what is known from before (RFC 7162 §3.2.5); needs QRESYNC enabled.
  package static func select(
    _ mailbox: MailboxName,
    readOnly: Bool,
    since point: ResyncPoint
  ) -> IMAPCommand {
    IMAPCommand(readOnly ? "EXAMINE" : "SELECT", kind: .select(mailbox)) {
      $0.text(" ")
      $0.mailbox(mailbox)
      $0.text(" (QRESYNC ")
      point.write(to: &$0)
      $0.text(")")
    }
  }

  /// UID FETCH of the flags of those of `uids` that changed since `modSeq` (RFC 7162 §3.1.4.1), and
  /// of which vanished, where QRESYNC is enabled (§3.2.6).
  package static func fetchFlags(
    _ uids: UIDSet,
    changedSince modSeq: ModSeq,
    vanished: Bool
  ) -> IMAPCommand {
    IMAPCommand("UID FETCH") {
      $0.text(" ")
      $0.set(uids)
      $0.text(" (UID FLAGS) (CHANGEDSINCE \(modSeq)\(vanished ? " VANISHED" : ""))")
    }
  }
}
