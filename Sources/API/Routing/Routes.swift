import HTTP

/// Every route of the API; a test holds the table against `openapi.yaml`.
extension Route {
  static let all: [Route] = accounts + mailboxes + messages + submissions + changes + service

  private static let accounts: [Route] = [
    Route(.get, "/v1/accounts", .read) { try await $0.listAccounts($1) },
    Route(.post, "/v1/accounts", .admin) { try await $0.createAccount($1) },
    Route(.post, "/v1/accounts:verify", .admin, idempotency: Idempotency.none) {
      try await $0.verifyAccount($1)
    },
    Route(.get, "/v1/accounts/{accountId}", .read) { try await $0.getAccount($1) },
    Route(.patch, "/v1/accounts/{accountId}", .admin) { try await $0.updateAccount($1) },
    Route(.delete, "/v1/accounts/{accountId}", .admin) { try await $0.deleteAccount($1) },
    Route(.post, "/v1/accounts/{accountId}:sync", .write) { try await $0.syncAccount($1) },
  ]

  private static let mailboxes: [Route] = [
    Route(.get, "/v1/accounts/{accountId}/mailboxes", .read) { try await $0.listMailboxes($1) },
    Route(.post, "/v1/accounts/{accountId}/mailboxes", .write) { try await $0.createMailbox($1) },
    Route(.get, "/v1/accounts/{accountId}/mailboxes/{mailboxId}", .read) {
      try await $0.getMailbox($1)
    },
    Route(.patch, "/v1/accounts/{accountId}/mailboxes/{mailboxId}", .write) {
      try await $0.updateMailbox($1)
    },
    Route(.delete, "/v1/accounts/{accountId}/mailboxes/{mailboxId}", .write) {
      try await $0.deleteMailbox($1)
    },
  ]

  private static let messages: [Route] = [
    Route(.get, "/v1/accounts/{accountId}/messages", .read) { try await $0.listMessages($1) },
    Route(.post, "/v1/accounts/{accountId}/messages", .write) { try await $0.importMessage($1) },
    Route(.post, "/v1/accounts/{accountId}/messages:batch", .write) {
      try await $0.batchMessages($1)
    },
    Route(.get, "/v1/accounts/{accountId}/messages/{messageId}", .read) {
      try await $0.getMessage($1)
    },
    Route(.patch, "/v1/accounts/{accountId}/messages/{messageId}", .write) {
      try await $0.updateMessage($1)
    },
    Route(.delete, "/v1/accounts/{accountId}/messages/{messageId}", .write) {
      try await $0.deleteMessage($1)
    },
    Route(.get, "/v1/accounts/{accountId}/messages/{messageId}/raw", .read) {
      try await $0.getMessageRaw($1)
    },
    Route(.get, "/v1/accounts/{accountId}/messages/{messageId}/parts/{partId}", .read) {
      try await $0.getMessagePart($1)
    },
  ]

  private static let submissions: [Route] = [
    Route(.get, "/v1/accounts/{accountId}/submissions", .read) { try await $0.listSubmissions($1) },
    Route(.post, "/v1/accounts/{accountId}/submissions", .send) {
      try await $0.createSubmission($1)
    },
    Route(.get, "/v1/accounts/{accountId}/submissions/{submissionId}", .read) {
      try await $0.getSubmission($1)
    },
    Route(.delete, "/v1/accounts/{accountId}/submissions/{submissionId}", .send) {
      try await $0.cancelSubmission($1)
    },
    Route(.post, "/v1/accounts/{accountId}/submissions/{submissionId}:cancel", .send) {
      try await $0.cancelSubmission($1)
    },
  ]

  private static let changes: [Route] = [
    Route(.get, "/v1/accounts/{accountId}/changes", .read) { try await $0.listChanges($1) },
    Route(.get, "/v1/accounts/{accountId}/operations", .read) { try await $0.listOperations($1) },
    Route(.post, "/v1/accounts/{accountId}/operations/{operationId}:retry", .write) {
      try await $0.retryOperation($1)
    },
    Route(.post, "/v1/accounts/{accountId}/operations/{operationId}:discard", .write) {
      try await $0.discardOperation($1)
    },
  ]

  private static let service: [Route] = [
    Route(.get, "/v1/tokens", .admin) { try await $0.listTokens($1) },
    Route(.post, "/v1/tokens", .admin, idempotency: .secret) { try await $0.createToken($1) },
    Route(.get, "/v1/tokens/{tokenId}", .admin) { try await $0.getToken($1) },
    Route(.delete, "/v1/tokens/{tokenId}", .admin) { try await $0.deleteToken($1) },
    Route(.get, "/v1/jobs/{jobId}", .read) { try await $0.getJob($1) },
    Route(.get, "/v1/capabilities", .any) { try await $0.getCapabilities($1) },
    Route(.get, "/healthz", nil) { try await $0.getHealth($1) },
    Route(.get, "/readyz", nil) { try await $0.getReadiness($1) },
    Route(.get, "/openapi.yaml", nil) { try await $0.getOpenAPI($1) },
  ]
}
