import HTTP

/// Every route of the API; a test holds the table against `openapi.yaml`.
extension Route {
  static let all: [Route] =
    accounts + mailboxes + messages + archives + threads + submissions + rules + scripts + changes
    + service

  /// The methods that some path knows, as `OPTIONS *` lists them (RFC 9110 §9.3.7).
  static let methods: [HTTPMethod] = [.delete, .get, .head, .options, .patch, .post, .put]

  private static let accounts: [Route] = [
    Route(.get, "/v1/accounts", .read, Endpoints.listAccounts),
    Route(.post, "/v1/accounts", .admin, Endpoints.createAccount),
    Route(
      .post,
      "/v1/accounts:verify",
      .admin,
      idempotency: Idempotency.none,
      Endpoints.verifyAccount
    ),
    Route(.get, "/v1/accounts/{accountId}", .read, Endpoints.showAccount),
    Route(.patch, "/v1/accounts/{accountId}", .admin, Endpoints.updateAccount),
    Route(.delete, "/v1/accounts/{accountId}", .admin, Endpoints.deleteAccount),
    Route(.post, "/v1/accounts/{accountId}:sync", .write, Endpoints.syncAccount),
  ]

  private static let mailboxes: [Route] = [
    Route(.get, "/v1/accounts/{accountId}/mailboxes", .read, Endpoints.listMailboxes),
    Route(.post, "/v1/accounts/{accountId}/mailboxes", .write, Endpoints.createMailbox),
    Route(.get, "/v1/accounts/{accountId}/mailboxes/{mailboxId}", .read, Endpoints.showMailbox),
    Route(
      .patch,
      "/v1/accounts/{accountId}/mailboxes/{mailboxId}",
      .write,
      Endpoints.updateMailbox
    ),
    Route(
      .delete,
      "/v1/accounts/{accountId}/mailboxes/{mailboxId}",
      .write,
      Endpoints.deleteMailbox
    ),
  ]

  private static let messages: [Route] = [
    Route(.get, "/v1/search", .read, Endpoints.search),
    Route(.get, "/v1/accounts/{accountId}/messages", .read, Endpoints.listMessages),
    Route(.post, "/v1/accounts/{accountId}/messages", .write, Endpoints.importMessage),
    Route(.post, "/v1/accounts/{accountId}/messages:batch", .write, Endpoints.batchMessages),
    Route(.get, "/v1/accounts/{accountId}/messages/{messageId}", .read, Endpoints.showMessage),
    Route(.patch, "/v1/accounts/{accountId}/messages/{messageId}", .write, Endpoints.updateMessage),
    Route(
      .delete,
      "/v1/accounts/{accountId}/messages/{messageId}",
      .write,
      Endpoints.deleteMessage
    ),
    Route(
      .get,
      "/v1/accounts/{accountId}/messages/{messageId}/raw",
      .read,
      Endpoints.showMessageRaw
    ),
    Route(
      .get,
      "/v1/accounts/{accountId}/messages/{messageId}/parts/{partId}",
      .read,
      Endpoints.showMessagePart
    ),
  ]

  private static let archives: [Route] = [
    Route(.get, "/v1/accounts/{accountId}/messages:export", .read, Endpoints.exportMessages),
    Route(.post, "/v1/accounts/{accountId}/imports", .write, Endpoints.createImport),
    Route(
      .post,
      "/v1/accounts/{accountId}/imports/{jobId}:upload",
      .write,
      idempotency: Idempotency.none,
      Endpoints.uploadArchive
    ),
  ]

  private static let threads: [Route] = [
    Route(.get, "/v1/accounts/{accountId}/threads", .read, Endpoints.listThreads),
    Route(.get, "/v1/accounts/{accountId}/threads/{threadId}", .read, Endpoints.getThread),
  ]

  private static let submissions: [Route] = [
    Route(.get, "/v1/accounts/{accountId}/submissions", .read, Endpoints.listSubmissions),
    Route(.post, "/v1/accounts/{accountId}/submissions", .send, Endpoints.createSubmission),
    Route(
      .get,
      "/v1/accounts/{accountId}/submissions/{submissionId}",
      .read,
      Endpoints.showSubmission
    ),
    Route(
      .delete,
      "/v1/accounts/{accountId}/submissions/{submissionId}",
      .send,
      Endpoints.cancelSubmission
    ),
    Route(
      .post,
      "/v1/accounts/{accountId}/submissions/{submissionId}:cancel",
      .send,
      Endpoints.cancelSubmission
    ),
  ]

  private static let scripts: [Route] = [
    Route(.get, "/v1/accounts/{accountId}/scripts", .read, Endpoints.listScripts),
    Route(.post, "/v1/accounts/{accountId}/scripts", .write, Endpoints.createScript),
    Route(
      .post,
      "/v1/accounts/{accountId}/scripts:validate",
      .read,
      idempotency: Idempotency.none,
      Endpoints.validateScript
    ),
    Route(
      .post,
      "/v1/accounts/{accountId}/scripts:deactivate",
      .write,
      Endpoints.deactivateScripts
    ),
    Route(.get, "/v1/accounts/{accountId}/scripts/{scriptId}", .read, Endpoints.showScript),
    Route(.patch, "/v1/accounts/{accountId}/scripts/{scriptId}", .write, Endpoints.updateScript),
    Route(.delete, "/v1/accounts/{accountId}/scripts/{scriptId}", .write, Endpoints.deleteScript),
    Route(
      .post,
      "/v1/accounts/{accountId}/scripts/{scriptId}:activate",
      .write,
      Endpoints.activateScript
    ),
  ]

  private static let rules: [Route] = [
    Route(.get, "/v1/accounts/{accountId}/rules", .read, Endpoints.listRules),
    Route(.post, "/v1/accounts/{accountId}/rules", .write, Endpoints.createRule),
    Route(
      .post,
      "/v1/accounts/{accountId}/rules:validate",
      .read,
      idempotency: Idempotency.none,
      Endpoints.validateRule
    ),
    Route(
      .post,
      "/v1/accounts/{accountId}/rules:simulate",
      .read,
      idempotency: Idempotency.none,
      Endpoints.simulateRules
    ),
    Route(.post, "/v1/accounts/{accountId}/rules:import", .write, Endpoints.importRules),
    Route(.post, "/v1/accounts/{accountId}/rules:run", .write, Endpoints.runRules),
    Route(.post, "/v1/accounts/{accountId}/rules:undo", .write, Endpoints.undoRules),
    Route(.post, "/v1/accounts/{accountId}/rules:publish", .write, Endpoints.publishRules),
    Route(.post, "/v1/accounts/{accountId}/rules:withdraw", .write, Endpoints.withdrawRules),
    Route(.get, "/v1/accounts/{accountId}/rules/publication", .read, Endpoints.showPublication),
    Route(
      .get,
      "/v1/accounts/{accountId}/messages/{messageId}/rules",
      .read,
      Endpoints.listMessageRules
    ),
    Route(.get, "/v1/accounts/{accountId}/rules/script", .read, Endpoints.showRuleScript),
    Route(.put, "/v1/accounts/{accountId}/rules/script", .write, Endpoints.replaceRuleScript),
    Route(.get, "/v1/accounts/{accountId}/rules/{ruleId}", .read, Endpoints.showRule),
    Route(.patch, "/v1/accounts/{accountId}/rules/{ruleId}", .write, Endpoints.updateRule),
    Route(.delete, "/v1/accounts/{accountId}/rules/{ruleId}", .write, Endpoints.deleteRule),
    Route(.get, "/v1/accounts/{accountId}/lists", .read, Endpoints.listAddressLists),
    Route(.post, "/v1/accounts/{accountId}/lists", .write, Endpoints.createAddressList),
    Route(.get, "/v1/accounts/{accountId}/lists/{listId}", .read, Endpoints.showAddressList),
    Route(.patch, "/v1/accounts/{accountId}/lists/{listId}", .write, Endpoints.updateAddressList),
    Route(.delete, "/v1/accounts/{accountId}/lists/{listId}", .write, Endpoints.deleteAddressList),
  ]

  private static let changes: [Route] = [
    Route(.get, "/v1/events", .read, Endpoints.streamEvents),
    Route(.get, "/v1/accounts/{accountId}/changes", .read, Endpoints.listChanges),
    Route(.get, "/v1/accounts/{accountId}/operations", .read, Endpoints.listOperations),
    Route(
      .post,
      "/v1/accounts/{accountId}/operations/{operationId}:retry",
      .write,
      Endpoints.retryOperation
    ),
    Route(
      .post,
      "/v1/accounts/{accountId}/operations/{operationId}:discard",
      .write,
      Endpoints.discardOperation
    ),
  ]

  private static let service: [Route] = [
    Route(.get, "/v1/tokens", .admin, Endpoints.listTokens),
    Route(.post, "/v1/tokens", .admin, idempotency: .secret, Endpoints.createToken),
    Route(.get, "/v1/tokens/{tokenId}", .admin, Endpoints.showToken),
    Route(.delete, "/v1/tokens/{tokenId}", .admin, Endpoints.deleteToken),
    Route(.get, "/v1/jobs", .read, Endpoints.listJobs),
    Route(.get, "/v1/jobs/{jobId}", .read, Endpoints.showJob),
    Route(.delete, "/v1/jobs/{jobId}", .write, Endpoints.cancelJob),
    Route(.get, "/v1/capabilities", .any, Endpoints.showCapabilities),
    Route(.get, "/healthz", nil, Endpoints.showHealth),
    Route(.get, "/readyz", nil, Endpoints.showReadiness),
    Route(.get, "/openapi.yaml", nil, Endpoints.showOpenAPI),
  ]
}
