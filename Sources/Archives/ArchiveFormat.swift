/// A form in which many messages travel as one file.
package enum ArchiveFormat: String, Sendable, CaseIterable {
  /// One message after the other, each after a line that begins with `From ` (RFC 4155); written as mboxrd.
  ///
  /// What stands here as mboxrd, mboxcl or mboxcl2, and what has bare `From ` lines, is read too.
  case mbox
  /// The same, where `>From ` alone was quoted and `>>From ` stands for itself; it is only read.
  case mboxo
  /// A file for each message in `cur` and `new`, flags in its name; the folder comes as a tar archive.
  case maildir
  /// Batches of UUCP news and mail: `#! rnews N` before each article of N bytes.
  case rnews

  /// The media type of such a file.
  package var mediaType: String {
    switch self {
    case .mbox, .mboxo: "application/mbox"
    case .maildir: "application/x-tar"
    case .rnews: "application/x-rnews"
    }
  }

  /// What the name of such a file ends with.
  package var fileExtension: String {
    switch self {
    case .mbox, .mboxo: "mbox"
    case .maildir: "tar"
    case .rnews: "rnews"
    }
  }
}

/// Bounds on what is read of an archive.
package struct ArchiveLimits: Sendable {
  /// The longest message; a longer one is passed over, and a defect says so.
  package var messageBytes = 50 << 20
  /// The longest line that may part two messages.
  package var separatorBytes = 1024
  /// The longest name in a tar archive.
  package var nameBytes = 16 << 10
  /// How many keywords a message may have; the others are left out.
  package var keywords = 100
  /// The longest keyword.
  package var keywordBytes = 255

  package init() {}
}

/// A message as it stands in an archive, with what the archive says of it.
package struct ArchivedMessage: Sendable, Equatable {
  /// Its bytes, its own status fields and quoting undone; lines may end in LF alone where the archive is of that kind.
  package var raw: [UInt8]
  /// In JMAP's form, sorted.
  package var keywords: [String]
  /// When it came in; nil where neither the archive nor the message says.
  package var receivedAt: Int64?
  /// Whether its owner has deleted it, and nothing but the archive keeps it.
  package var isDeleted = false
  /// The levels of the mailbox below the archive's own, as they are written there (Maildir++); mostly none.
  package var mailbox: [String] = []
  /// Where it begins in the archive.
  package var offset: Int64 = 0

  /// A message that came in `receivedAt` seconds after 1970 began.
  package init(_ raw: [UInt8], keywords: [String] = [], receivedAt: Int64? = nil) {
    self.raw = raw
    self.keywords = keywords
    self.receivedAt = receivedAt
  }
}

/// Something in an archive that is not as it should be, which the reader passed over or made the best of.
package struct ArchiveDefect: Sendable, Equatable {
  /// What is wrong.
  package enum Kind: String, Sendable {
    /// Something stands before the first message, or where one should begin.
    case noMessage
    /// A message is longer than is read; it was left out.
    case messageTooLong
    /// A line begins with `From ` and has no date: it was taken as text of the message.
    case bareFromLine
    /// The archive ends within a message; what there is of it was taken.
    case truncated
    /// The archive lacks the mark that it ends with: where it was cut between two files, nothing else tells.
    case noEndMark
    /// A message has another length than was said.
    case wrongLength
    /// A file of the archive is a link to another one, and was left out.
    case link
    /// The header of a file in the archive is damaged; what follows was searched for the next one.
    case damagedHeader
    /// The compressed bytes are damaged; nothing after them can be read.
    case damagedCompression
    /// The archive is compressed in a way that is not read.
    case unknownCompression
    /// A letter in a file's name stands for a keyword that no `dovecot-keywords` before it names.
    case unknownKeyword

    /// Whether it cost a message, or what might have been one.
    package var isLoss: Bool { self == .messageTooLong || self == .link }
  }

  package var kind: Kind
  /// At which byte of the archive; of a compressed one, of what it holds.
  package var offset: Int64

  package init(_ kind: Kind, at offset: Int64) {
    self.kind = kind
    self.offset = offset
  }

  /// One sentence for whoever reads the report.
  package var words: String {
    let text =
      switch kind {
      case .noMessage: "there is something that is no message"
      case .messageTooLong: "the message is longer than may be, and was left out"
      case .bareFromLine: "a line begins with \"From \" and was taken as text"
      case .truncated: "the archive ends within the message"
      case .noEndMark: "the archive ends without an end mark, and may have been cut"
      case .wrongLength: "the message has another length than is said before it"
      case .link: "the file is a link to another one, and was left out"
      case .damagedHeader: "the header of a file is damaged"
      case .damagedCompression: "the compressed bytes are damaged, and the rest cannot be read"
      case .unknownCompression: "it is compressed in a way that is not read here; gzip is"
      case .unknownKeyword:
        "a keyword in a file's name is not explained by dovecot-keywords before it"
      }
    return "At byte \(offset): \(text)."
  }
}

/// What a reader finds, in the archive's order.
package enum ArchiveEvent: Sendable, Equatable {
  case message(ArchivedMessage)
  case defect(ArchiveDefect)
}
