/// What a POP3 server may make us hold or do; everything beyond ends the connection.
package struct POP3Limits: Sendable {
  /// Bytes of one line that is no text of a message: the RFC says 512 (2449 §4), challenges of
  /// Kerberos and of OAuth are longer.
  package var lineBytes = 64 << 10
  /// Lines of one listing.
  package var listedMessages = 1_000_000
  /// Bytes of a unique id: the RFC says 70 (1939 §7), some servers send a file name.
  package var uniqueIDBytes = 512
  /// Bytes of one message.
  package var messageBytes = 4 << 30
  /// Commands under way at once where PIPELINING is offered.
  package var pipelinedCommands = 64
  /// Lines in a row that are no reply where one is due.
  package var strayLines = 16

  /// The defaults that stand at each member.
  package init() {}
}
