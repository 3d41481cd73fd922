package import Model
package import Store

/// What became of one message of a change.
package struct MessageOutcome: Sendable {
  package var id: ID<Message>
  /// Nil: it was changed.
  package var error: ServiceError?
}

extension Engine {
  /// Changes messages here at once and queues what the server has to be told.
  package func changeMessages(
    _ ids: [ID<Message>],
    of account: ID<Account>,
    _ patch: MessagePatch,
    ifVersion: Int64? = nil
  ) async throws(ServiceError) -> [MessageOutcome] {
    let missing = try await store.changeMessages(ids, of: account, patch, ifVersion: ifVersion)
    wake(account, .operations)
    return outcomes(ids, missing)
  }

  /// Moves messages to the trash, where those that are there already stay; with `isPermanent` all go for good.
  ///
  /// A caller that repeats a deletion whose answer it lost must not lose the message by that.
  package func deleteMessages(
    _ ids: [ID<Message>],
    of account: ID<Account>,
    isPermanent: Bool
  ) async throws(ServiceError) -> [MessageOutcome] {
    if isPermanent {
      let missing = try await store.destroyMessages(ids, of: account)
      wake(account, .operations)
      return outcomes(ids, missing)
    }
    guard let trash = try await store.mailbox(role: "trash", of: account) else {
      throw ServiceError(
        .conflict,
        "The account has no trash mailbox; delete for good with ?permanent=true."
      )
    }
    var patch = MessagePatch()
    patch.mailboxes = [trash.id]
    let missing = try await store.changeMessages(ids, of: account, patch)
    wake(account, .operations)
    return outcomes(ids, missing)
  }

  /// Queues a change of all messages that a query finds.
  package func batch(
    of account: ID<Account>,
    query: MessageQuery,
    findings: SearchFindings,
    patch: MessagePatch?,
    isPermanent: Bool,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> JobRecord {
    let messages = try await store.messageIDs(of: account, query, findings, limit: 1_000_000)
    let trash =
      patch == nil && !isPermanent
      ? try await store.mailbox(role: "trash", of: account)?.id : nil
    if patch == nil, !isPermanent, trash == nil {
      throw ServiceError(
        .conflict,
        "The account has no trash mailbox; delete for good with permanent: true."
      )
    }
    let request = BatchJob.Request(
      messages: messages,
      patch: patch,
      isPermanent: isPermanent,
      trash: trash
    )
    let job = try await store.insertJob(
      kind: patch == nil ? "deleteMessages" : "changeMessages",
      of: account,
      request: request.json,
      claim: claim
    )
    wake(account, [.jobs, .operations])
    return job
  }

  /// Ends a job that has not ended; what it did stays done.
  package func cancelJob(_ id: ID<Job>) async throws(ServiceError) -> JobRecord {
    guard let job = try await store.job(id) else { throw .notFound("job") }
    try await store.cancelJob(job)
    return try await store.job(id) ?? job
  }

  /// Tries a refused intent once more.
  package func retryOperation(
    _ id: ID<MailOperation>,
    of account: ID<Account>
  ) async throws(ServiceError) {
    guard let queued = try await store.operation(id, of: account) else {
      throw .notFound("operation")
    }
    guard ["refused", "conflict"].contains(queued.state) else {
      throw ServiceError(.conflict, "The operation is on its way already.")
    }
    switch queued {
    case .message(let operation):
      guard try await intendAnew(operation, of: account) else { return }
    case .mailbox(let operation): try await requeue(operation, of: account)
    }
    _ = try await store.forgetOperation(id, of: account)
    wake(account, .operations)
  }

  /// Intends once more what was refused; false where there is nothing left to do for it.
  private func intendAnew(
    _ operation: OperationRecord,
    of account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    var patch = MessagePatch()
    patch.addKeywords = operation.addKeywords
    patch.removeKeywords = operation.removeKeywords
    switch operation.kind {
    case "move":
      patch.addMailboxes = operation.targetMailbox.map { [$0] } ?? []
      patch.removeMailboxes = [operation.mailbox]
    case "copy": patch.addMailboxes = operation.targetMailbox.map { [$0] } ?? []
    case "append":
      guard try await store.retryAppend(operation, of: account) else {
        throw ServiceError(
          .conflict,
          "The message is gone, or in a mailbox that the server does not have; move it to one that it has."
        )
      }
      wake(account, .operations)
      return false
    case "replace":
      throw ServiceError(.conflict, "This operation cannot be tried again; ask for it anew.")
    default: break
    }
    if operation.kind == "release" {
      // It is intended anew by the next look.
      if try await store.forgetOperation(operation.id, of: account) { wake(account, .everything) }
      return false
    }
    if operation.kind == "delete" {
      try await store.destroyMessages([operation.message], in: operation.mailbox, of: account)
    } else {
      _ = try await store.changeMessages([operation.message], of: account, patch)
    }
    return true
  }

  /// Forgets an intent that was refused, or takes back what waits to be told the server.
  package func discardOperation(
    _ id: ID<MailOperation>,
    of account: ID<Account>
  ) async throws(ServiceError) {
    let reason = "Discarded."
    switch try await store.operation(id, of: account) {
    case nil: throw .notFound("operation")
    // What leaves the server does so by the account's settings, and is marked there while it waits.
    case .message(let operation)? where operation.kind == "release": break
    case .message(let operation)? where operation.state == "pending":
      try await store.refuseOperation(operation, reason: reason, ifPending: true, of: account)
    case .mailbox(let operation)? where operation.state == "pending":
      try await store.refuseMailboxOperation(
        operation,
        reason: reason,
        isConflict: false,
        place: formerPlace(of: operation, store.mailboxes(of: account).mailboxes),
        ifPending: true,
        of: account
      )
    default: break
    }
    guard try await store.forgetOperation(id, of: account) else {
      throw ServiceError(
        .conflict,
        "The server may have been told of the operation: it can be discarded once that has been answered, and refused."
      )
    }
    wake(account, .everything)
  }

  private func outcomes(
    _ ids: [ID<Message>],
    _ missing: Set<ID<Message>>
  ) -> [MessageOutcome] {
    ids.map { id in
      MessageOutcome(
        id: id,
        error: missing.contains(id) ? ServiceError(.notFound, "There is no such message.") : nil
      )
    }
  }
}
