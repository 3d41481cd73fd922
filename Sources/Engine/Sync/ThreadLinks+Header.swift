import Bytes
import MIME
import Store

extension ThreadLinks {
  /// How many of the messages that one names are followed: the first, which is the thread's beginning, and the last.
  private static let followed = 64

  /// The links of a message with these fields; a subject's encoded words are decoded.
  ///
  /// `References` wins; without it the first Message-ID of `In-Reply-To` counts; without that, the subject. Where the
  /// server tells a thread of its own (`X-GM-THRID`, `THREADID`), that stands in the place of them all.
  init(
    messageID: String?,
    inReplyTo: [String],
    references: [String],
    subject: () -> [UInt8],
    serverThread: String? = nil
  ) {
    self.init()
    message = messageID.map { Self.key(of: $0) }
    if let serverThread {
      self.references = [Self.key(of: "server thread \(serverThread)")]
      return
    }
    let named = references.isEmpty ? Array(inReplyTo.prefix(1)) : references
    let kept =
      named.count > Self.followed
      ? Array(named.prefix(1) + named.suffix(Self.followed - 1)) : named
    self.references = kept.map { Self.key(of: $0) }.filter { $0 != message }
    guard self.references.isEmpty else { return }
    let decoded = subject()
    let base = BaseSubject(of: decoded.span)
    guard !base.bytes.isEmpty else { return }
    self.subject = Self.key(of: base.bytes.span)
    answersSubject = base.isReply
  }
}
