/// What one connection, and the server as a whole, may take from its peers.
///
/// The size of a body is left to the handler (`HTTPRequestBody.collect(upTo:)`), since it differs by
/// resource.
package struct HTTPLimits: Sendable {
  /// Longest request line, its CRLF left out; beyond it the answer is 414.
  ///
  /// RFC 9112 §3 asks for 8000 at least.
  package var requestLine = 8 * 1024
  /// Longest field section, and trailer section, line ends included; beyond it the answer is 431.
  package var fieldSection = 64 * 1024
  /// Most field lines in a section; beyond it the answer is 431.
  package var fieldCount = 100
  /// Most bytes of chunk extensions in one body; beyond it the answer is 400 (RFC 9112 §7.1.1).
  package var chunkExtensions = 16 * 1024

  /// Most bytes taken from the socket in one read.
  package var readSize = 64 * 1024
  /// Most bytes of a body left unread by the handler that are read and thrown away to keep the
  /// connection; with more left it closes.
  package var drain = 256 * 1024
  /// Most connections at a time; those beyond it are answered 503 and closed.
  package var connections = 10_000

  /// Longest silence between two requests; the connection then closes without a word.
  package var idleTimeout: Duration = .seconds(75)
  /// Longest time from the first byte of a request to the end of its fields; then 408.
  package var headTimeout: Duration = .seconds(15)
  /// Longest silence while the handler waits for more of a body; then 408.
  package var bodyTimeout: Duration = .seconds(30)
  /// Longest wait until the peer takes what is written; then the connection closes.
  package var writeTimeout: Duration = .seconds(60)

  /// The documented defaults.
  package init() {}
}
