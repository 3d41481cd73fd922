package import Model
import Postgres

/// What is known of a request with an idempotency key.
package enum IdempotencyStart: Sendable {
  /// The first with this key: do it, then finish or abandon.
  case fresh
  /// The first still runs.
  case running
  /// The key came before with another body.
  case reused
  /// The first answer; a nil body was not kept, since it held a secret, or since the service stopped
  /// or lost its database before there was one. Without a location it is not known what was done.
  case done(status: Int, contentType: String?, location: String?, body: [UInt8]?)
}

/// A key that a request has claimed, to be settled by the transaction that does what it asks for.
package struct IdempotencyClaim: Sendable {
  package var token: ID<Token>
  package var key: String

  package init(token: ID<Token>, key: String) {
    self.token = token
    self.key = key
  }
}

extension Store {
  /// Claims a key for 24 hours.
  ///
  /// What a claim that was neither finished nor abandoned in ten minutes has done is not known: it
  /// counts as done, without an answer, and can have no effect from then on.
  package func beginIdempotent(
    token: ID<Token>,
    key: String,
    fingerprint: [UInt8]
  ) async throws(ServiceError) -> IdempotencyStart {
    try await attempt {
      _ = try await pool.query(
        """
        delete from idempotency where token_id = \(token.rawValue) and key = \(key)
          and created_at < now() - interval '24 hours'
        """
      )
      _ = try await pool.query(
        """
        update idempotency set is_done = true, status = 409
        where token_id = \(token.rawValue) and key = \(key)
          and not is_done and created_at < now() - interval '10 minutes'
        """
      )
      let claimed = try await pool.query(
        """
        insert into idempotency (token_id, key, fingerprint)
        values (\(token.rawValue), \(key), \(fingerprint)) on conflict do nothing
        """
      )
      if claimed.affected == 1 { return .fresh }
      let rows = try await pool.query(
        """
        select fingerprint, is_done, status, content_type, location, body from idempotency
        where token_id = \(token.rawValue) and key = \(key)
        """
      )
      guard rows.count == 1 else { return .running }
      guard try rows.byteArray(0, 0) == fingerprint else { return .reused }
      guard try rows.bool(0, 1) else { return .running }
      return .done(
        status: Int(try rows.int32(0, 2)),
        contentType: try rows.optionalString(0, 3),
        location: try rows.optionalString(0, 4),
        body: try rows.optionalByteArray(0, 5)
      )
    }
  }

  /// Settles `claim` in the transaction that does what its request asked for: both happen, or neither.
  ///
  /// From the commit on the key is never given back, whatever becomes of the answer, of this process
  /// or of the connection on which the commit was asked for.
  func settle(
    _ claim: IdempotencyClaim?,
    location: String?,
    on connection: PostgresConnection
  ) async throws {
    guard let claim else { return }
    let settled = try await connection.query(
      """
      update idempotency set is_done = true, status = 201, location = \(location)
      where token_id = \(claim.token.rawValue) and key = \(claim.key) and not is_done
      """
    )
    guard settled.affected == 1 else {
      throw ServiceError(
        .conflict,
        "The request took so long that its Idempotency-Key was answered as not known; nothing was done."
      )
    }
  }

  /// Settles `claim` before a server is asked for an effect that no transaction of ours holds: from then on the key is not given
  /// back, whatever becomes of the answer.
  package func settle(_ claim: IdempotencyClaim?) async throws(ServiceError) {
    try await attempt {
      try await pool.withConnection { connection in
        try await settle(claim, location: nil, on: connection)
      }
    }
  }

  /// Keeps the answer of a claimed key.
  package func finishIdempotent(
    token: ID<Token>,
    key: String,
    status: Int,
    contentType: String?,
    location: String?,
    body: [UInt8]?
  ) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        update idempotency set is_done = true, status = \(Int32(clamping: status)),
          content_type = \(contentType), location = \(location), body = \(body)
        where token_id = \(token.rawValue) and key = \(key)
        """
      )
    }
  }

  /// Gives a claimed key back, unless what it asked for was done.
  ///
  /// Where that is being committed at this moment, this waits for the outcome by the lock of the row.
  package func abandonIdempotent(token: ID<Token>, key: String) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        delete from idempotency
        where token_id = \(token.rawValue) and key = \(key) and not is_done
        """
      )
    }
  }

  /// At the start of the service: what an earlier run left unfinished has an outcome that nobody knows.
  ///
  /// It is answered as done without a body, so that the caller looks and nothing is done twice.
  package func settleIdempotency() async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        "update idempotency set is_done = true, status = 409 where not is_done"
      )
    }
  }

  /// Forgets the keys that are older than 24 hours.
  package func expireIdempotency() async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        "delete from idempotency where created_at < now() - interval '24 hours'"
      )
    }
  }
}
