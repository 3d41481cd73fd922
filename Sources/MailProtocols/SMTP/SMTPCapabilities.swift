/// What the server said it can do, in its reply to EHLO.
///
///     S: 250-mail.example.org
///     S: 250-SIZE 36700160
///     S: 250-AUTH PLAIN LOGIN
///     S: 250 8BITMIME
package struct SMTPCapabilities: Equatable, Sendable {
  /// The name the server gives itself.
  package private(set) var serverName = ""
  /// The extensions offered, with their parameters as they came.
  package private(set) var extensions: [SMTPExtension: [String]] = [:]

  /// A server that offers nothing, as after HELO.
  package init() {}

  /// What the reply to EHLO says.
  ///
  /// Leniency: `AUTH=LOGIN PLAIN`, the form before RFC 2554, counts as `AUTH LOGIN PLAIN`; servers
  /// that write both are read as the union.
  package init(reply: SMTPReply) {
    serverName = reply.lines.first?.split(separator: " ").first.map(String.init) ?? ""
    for line in reply.lines.dropFirst() {
      var words = line.split(separator: " ").map(String.init)
      guard let first = words.first else { continue }
      if first.uppercased().hasPrefix("AUTH=") {
        words.replaceSubrange(0..<1, with: ["AUTH", String(first.dropFirst(5))])
      }
      let parameters = words.dropFirst().filter { !$0.isEmpty }
      extensions[SMTPExtension(rawValue: words[0]), default: []].append(contentsOf: parameters)
    }
  }

  /// Whether `wanted` is offered.
  package func offers(_ wanted: SMTPExtension) -> Bool {
    extensions[wanted] != nil
  }

  /// The largest message the server takes; nil where it names no limit (RFC 1870 §4).
  package var sizeLimit: Int? {
    extensions[.size]?.first.flatMap(Int.init).flatMap { $0 > 0 ? $0 : nil }
  }

  /// The SASL mechanisms offered, in upper case, in the server's order, each once.
  package var authMechanisms: [String] {
    var seen: Set<String> = []
    return (extensions[.auth] ?? []).map { $0.uppercased() }.filter { seen.insert($0).inserted }
  }
}
