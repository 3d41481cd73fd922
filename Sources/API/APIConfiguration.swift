/// What the API takes and how it behaves.
package struct APIConfiguration: Sendable {
  /// Signs cursors; the same on every node.
  package var cursorKey: [UInt8]
  /// What `/v1/capabilities` calls the service's version.
  package var version: String
  package var limits = APILimits()
  /// How often a change of a rule without a condition begins anew since another one came between.
  package var ruleConflicts = 50

  package init(cursorKey: [UInt8], version: String) {
    self.cursorKey = cursorKey
    self.version = version
  }
}

/// Bounds on what a caller may send and ask for; `/v1/capabilities` lists them.
package struct APILimits: Sendable {
  /// Longest JSON body of a request that holds no message.
  package var jsonBytes = 1 << 20
  /// Longest message, raw or as JSON with its attachments in base64.
  package var messageBytes = 50 << 20
  /// Most ids in one batch.
  package var batchMessages = 1000
  /// Most recipients of one submission.
  package var recipients = 1000
  /// Most bytes of each body value, unless the caller asks for fewer.
  package var bodyValueBytes = 256 << 10
  /// How long a token found valid is believed without asking the database again.
  package var tokenCacheLifetime: Duration = .seconds(5)

  package init() {}
}
