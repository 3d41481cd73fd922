/// What the server said it can do, in its greeting and its answer to CAPABILITY (RFC 5804 §1.7).
///
///     S: "IMPLEMENTATION" "Example1 ManageSieved v001"
///     S: "SIEVE" "fileinto vacation"
///     S: "SASL" "PLAIN SCRAM-SHA-256"
///     S: "STARTTLS"
///     S: OK
package struct ManageSieveCapabilities: Hashable, Sendable {
  /// The values by the names in upper case; nil where a name stands alone.
  package private(set) var all: [String: String?] = [:]

  /// A server that offers nothing.
  package init() {}

  /// The capabilities that the lines of an answer tell; a line that tells none is passed over.
  package init(_ answer: ManageSieveAnswer) {
    for line in answer.lines {
      guard let name = line.first?.text else { continue }
      all[name.uppercased()] = .some(line.count > 1 ? line[1].text : nil)
    }
  }

  private func value(_ name: String) -> String? { all[name] ?? nil }

  private func words(_ name: String) -> [String] {
    (value(name) ?? "").split(separator: " ").map(String.init)
  }

  /// What the server calls itself.
  package var implementation: String? { value("IMPLEMENTATION") }
  /// The Sieve extensions that scripts may require, in the server's order.
  package var extensions: [String] { words("SIEVE") }
  /// The SASL mechanisms in upper case; none where only TLS leads to a login.
  package var mechanisms: [String] { words("SASL").map { $0.uppercased() } }
  /// Whether TLS is offered.
  package var offersStartTLS: Bool { all["STARTTLS"] != nil }
  /// The methods of notifications.
  package var notifyMethods: [String] { words("NOTIFY") }
  /// How often one run of a script may redirect.
  package var maxRedirects: Int? { value("MAXREDIRECTS").flatMap { Int($0) } }
  /// Whose scripts they are.
  package var owner: String? { value("OWNER") }
}
