import Bytes
import MIME

/// Reads a Maildir out of a tar archive: messages in `cur` and `new`, folders of Maildir++ (`.Archive.2024`) or as plain folders.
///
/// The keywords that `dovecot-keywords` names by number are known from where that file stands in the archive on; `keywords` keeps them.
struct MaildirReader: FormatReader {
  private var tar: TarReader
  private let limits: ArchiveLimits
  private var pending: [ArchiveEvent] = []
  /// The keywords by folder and number.
  private(set) var keywords: [String: [Int: String]]

  /// From where on the archive has to be read again to get what was not told yet.
  private(set) var position: Int64

  init(from offset: Int64, context: [String: [Int: String]], _ limits: ArchiveLimits) {
    self.limits = limits
    keywords = context
    position = offset
    tar = TarReader(from: offset, limits) { Place($0) != nil }
  }

  mutating func receive(_ bytes: [UInt8]) { tar.receive(bytes) }

  mutating func finish() { tar.finish() }

  /// The next event; nil where more is needed, or at the end.
  mutating func next() -> ArchiveEvent? {
    while true {
      if !pending.isEmpty {
        let event = pending.removeFirst()
        if pending.isEmpty { position = tar.position }
        return event
      }
      let step = tar.next()
      if case .file = step {} else { position = tar.position }
      switch step {
      case .needsMore, .end: return nil
      case .defect(let defect): return .defect(defect)
      case .file(let file):
        guard let place = Place(file.path) else { continue }
        switch place.kind {
        case .keywords: readKeywords(file.bytes.span, of: place.folder)
        case .message(let isNew): pending.append(.message(message(file, place, isNew: isNew)))
        }
      }
    }
  }

  private mutating func message(_ file: TarFile, _ place: Place, isNew: Bool) -> ArchivedMessage {
    let bytes = Array(place.name.utf8)
    let name = MaildirName(bytes.span)
    var keywords = isNew ? [] : name.keywords
    let known = self.keywords[place.folder.joined(separator: "/")] ?? [:]
    for letter in isNew ? [] : name.letters {
      guard let keyword = known[letter] else {
        pending.append(.defect(ArchiveDefect(.unknownKeyword, at: file.offset)))
        break
      }
      keywords.insert(keyword)
    }
    var message = ArchivedMessage(
      Self.content(file.bytes, name),
      keywords: keywords.sorted(),
      receivedAt: file.modifiedAt
    )
    message.isDeleted = name.isDeleted && !isNew
    message.mailbox = place.folder
    message.offset = file.offset
    return message
  }

  /// Dovecot notes how long a message is with CRLF at its line ends: by that it is known how they were.
  private static func content(_ bytes: [UInt8], _ name: MaildirName) -> [UInt8] {
    guard let wire = name.wireSize, name.size == bytes.count, wire != bytes.count,
      wire == bytes.count + LineForm.count(bytes.span)
    else { return bytes }
    return LineForm.crlf(bytes.span)
  }

  /// `0 $Forwarded`, a line for each.
  private mutating func readKeywords(_ text: Span<UInt8>, of folder: [String]) {
    var reader = ByteReader(text)
    var keywords: [Int: String] = [:]
    while !reader.isAtEnd {
      var line = ByteReader(reader.slice(reader.take(upTo: .lf)))
      reader.skip(1)
      guard let number = line.number(), number < 26, line.consume(.space) else { continue }
      keywords[Int(number)] = Keywords.normal(line.slice(line.take { $0 > .space }), limits)
    }
    // So many folders as there are in no mailbox must not fill the memory.
    guard self.keywords.count < 10_000 else { return }
    self.keywords[folder.joined(separator: "/")] = keywords
  }
}

extension MaildirReader {
  /// Where in a Maildir a file stands.
  struct Place {
    enum Kind {
      case message(isNew: Bool)
      case keywords
    }

    var kind: Kind
    /// The levels of the folder, none for the inbox.
    var folder: [String]
    var name: String

    /// The place that `path` names; nil where a file there is nothing of interest.
    init?(_ path: String) {
      var parts = path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
      guard parts.count <= 32, let name = parts.popLast() else { return nil }
      self.name = name
      if name == "dovecot-keywords" {
        kind = .keywords
      } else if let last = parts.popLast(), last == "cur" || last == "new", !name.hasPrefix(".") {
        kind = .message(isNew: last == "new")
      } else {
        return nil
      }
      // `.` or a name stands for the Maildir itself; what stands below is a folder.
      if let first = parts.first, first == "." || !first.hasPrefix(".") { parts.removeFirst() }
      folder = parts.flatMap { part in
        part.hasPrefix(".") ? part.split(separator: ".").map(String.init) : [part]
      }
      if folder.first == "INBOX" { folder.removeFirst() }
    }
  }
}
