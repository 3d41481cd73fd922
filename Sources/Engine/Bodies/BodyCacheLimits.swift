/// Bounds on the bodies that are kept in memory after they were read from a server.
package struct BodyCacheLimits: Sendable {
  /// Bytes of one account, and of all.
  package var accountBytes = 8 << 20
  package var allBytes = 64 << 20
  /// The longest section that is kept: a longer one is an attachment, which streams.
  package var sectionBytes = 1 << 20
  /// What a body counts besides its bytes: its key, three times, in tables that are up to half empty, and its array.
  ///
  /// Without it empty ones would cost nothing, and there could be any number of them.
  package var entryBytes = 512

  package init() {}
}
