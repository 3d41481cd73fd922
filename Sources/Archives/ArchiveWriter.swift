import Bytes

/// Writes messages as an archive, each whole.
///
/// What a reader of ours makes of it are the same bytes, keywords and times. The lines of a message end in LF in the archive, as every
/// program expects there, if all of them end in CRLF; otherwise its bytes stand as they are.
package struct ArchiveWriter: Sendable {
  private let format: ArchiveFormat
  /// The keywords that have a letter in the names of a Maildir's files.
  private let words: [String]
  private var count = 0

  /// A writer of messages that have these keywords; a Maildir keeps 26 beside those of IMAP and `$forwarded`.
  package init(_ format: ArchiveFormat, keywords: Set<String>) {
    self.format = format
    words = Array(keywords.filter { !MaildirName.isSystem($0) }.sorted().prefix(26))
  }

  /// Appends what stands before the first message.
  package func begin(_ output: inout [UInt8]) {
    guard format == .maildir else { return }
    for folder in ["cur", "new", "tmp"] { TarWriter.writeFolder(folder, to: &output) }
    guard !words.isEmpty else { return }
    let lines = words.enumerated().map { "\($0.offset) \($0.element)\n" }.joined()
    TarWriter.write("dovecot-keywords", Array(lines.utf8).span, modifiedAt: 0, to: &output)
  }

  /// Appends a message.
  package mutating func write(_ message: ArchivedMessage, to output: inout [UInt8]) {
    count += 1
    switch format {
    case .mbox, .mboxo: writeMbox(message, to: &output)
    case .rnews: writeRnews(message, to: &output)
    case .maildir: writeMaildir(message, to: &output)
    }
  }

  /// Appends what stands after the last message.
  package func finish(_ output: inout [UInt8]) {
    if format == .maildir { TarWriter.finish(&output) }
  }

  private func writeMbox(_ message: ArchivedMessage, to output: inout [UInt8]) {
    MboxSeparator.write(message, to: &output)
    let stamp = Stamp(of: message)
    stamp.write(to: &output)
    switch stamp.form {
    case .lf: MboxAssembly.quote(LineForm.lf(message.raw.span).span, into: &output)
    case .raw:
      MboxAssembly.quote(message.raw.span, into: &output)
      output.append(.lf)
    }
    output.append(.lf)
  }

  private func writeRnews(_ message: ArchivedMessage, to output: inout [UInt8]) {
    let stamp = Stamp(of: message)
    var article: [UInt8] = []
    stamp.write(to: &article)
    article += stamp.form == .lf ? LineForm.lf(message.raw.span) : message.raw
    output.append("#! rnews ")
    output.append(decimal: article.count)
    output.append(.lf)
    output += article
  }

  private func writeMaildir(_ message: ArchivedMessage, to output: inout [UInt8]) {
    let isCanonical = LineForm.isCanonical(message.raw.span)
    let content = isCanonical ? LineForm.lf(message.raw.span) : message.raw
    let time = message.receivedAt ?? 0
    let flags = MaildirName.flags(of: message.keywords, words)
    let sizes = "S=\(content.count),W=\(message.raw.count)"
    TarWriter.write(
      "cur/\(time).M\(count).restante,\(sizes):2,\(flags)",
      content.span,
      modifiedAt: time,
      to: &output
    )
  }
}
