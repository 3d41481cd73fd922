import CPostgres
package import Net

// Scripts and COPY, which have the connection to themselves.
extension PostgresConnection {
  /// Copies rows into a table: `copy message (id, subject) from stdin (format binary)`.
  ///
  /// `fill` writes some rows and says whether it has more; it is called again once the socket took
  /// them, so memory stays bounded by what one call writes. Returns how many rows were copied.
  package func copyIn(
    _ sql: String,
    deadline: Deadline? = nil,
    _ fill: (inout CopyWriter) async throws(PostgresError) -> Bool
  ) async throws(PostgresError) -> Int {
    try await perform(sql, deadline) { call in await copy(call, fill) }
  }

  /// Copies rows that are written already, in as many commands as `CopyWriter` cut them into.
  ///
  /// In a transaction, that is: a failure leaves what the commands before copied.
  package func copyIn(
    _ sql: String,
    rows: CopyWriter,
    deadline: Deadline? = nil
  ) async throws(PostgresError) -> Int {
    var copied = 0
    for command in rows.commands {
      copied += try await perform(sql, deadline) { call in
        await copy(call, rows.buffer.bytes, command)
      }
    }
    return copied
  }

  private func perform(
    _ sql: String,
    _ deadline: Deadline?,
    _ copy: (PostgresCall) async -> Result<Int, PostgresError>
  ) async throws(PostgresError) -> Int {
    try await beginIfOwed()
    if let refusal = refusal() { throw refusal }
    let call = PostgresCall(.copy(sql))
    enqueue(call, deadline: deadline)
    let loop = loop
    let outcome = await withTaskCancellationHandler {
      await copy(call)
    } onCancel: {
      loop.execute { self.abandon(call, .cancelled) }
    }
    return try outcome.get()
  }

  /// How many bytes of a COPY libpq gets at once: it keeps room for as many, and never gives that back.
  private static let sliceOfCopy = 128 * 1024

  /// Sends the rows that stand in a range of `bytes`, and the end behind them.
  private func copy(
    _ call: PostgresCall,
    _ bytes: [UInt8],
    _ range: Range<Int>
  ) async -> Result<Int, PostgresError> {
    do throws(PostgresError) {
      try await call.wait { pump() }.get()
      if !call.isDone {
        let (header, trailer) = (CopyWriter.header, CopyWriter.trailer)
        guard put(header.span) else { throw lost(call) }
        var start = range.lowerBound
        while start < range.upperBound, !call.isDone {
          let end = min(start + Self.sliceOfCopy, range.upperBound)
          guard put(bytes.span.extracting(start..<end)) else { throw lost(call) }
          start = end
          if !flush() { try await call.wait {}.get() }
        }
        guard call.isDone || put(trailer.span) else { throw lost(call) }
      }
      try await endCopy(call, refusing: nil).get()
      return .success(call.results.last?.affected ?? 0)
    } catch {
      return .failure(error)
    }
  }

  private func put(_ bytes: Span<UInt8>) -> Bool {
    unsafe bytes.withUnsafeBytes { bytes in
      let start = unsafe bytes.assumingMemoryBound(to: CChar.self).baseAddress
      return unsafe PQputCopyData(handle, start, Int32(clamping: bytes.count)) == 1
    }
  }

  private func lost(_ call: PostgresCall) -> PostgresError {
    let lost = PostgresError.connectionLost(reason: unsafe LibPQ.message(handle))
    fail(lost, culprit: call)
    return lost
  }

  private func copy(
    _ call: PostgresCall,
    _ fill: (inout CopyWriter) async throws(PostgresError) -> Bool
  ) async -> Result<Int, PostgresError> {
    do throws(PostgresError) {
      try await call.wait { pump() }.get()
      var writer = CopyWriter()
      writer.writeHeader()
      var hasMore = true
      while hasMore {
        do throws(PostgresError) {
          hasMore = try await fill(&writer)
        } catch {
          await endCopy(call, refusing: "the rows could not be written")
          throw error
        }
        if !hasMore { writer.writeTrailer() }
        try await send(&writer, for: call)
      }
      try await endCopy(call, refusing: nil).get()
      return .success(call.results.last?.affected ?? 0)
    } catch {
      return .failure(error)
    }
  }

  /// Sends what was written and waits until the socket took it.
  private func send(_ writer: inout CopyWriter, for call: PostgresCall) async throws(PostgresError)
  {
    if call.isDone { return try await call.wait {}.get() }
    guard writer.drain({ put($0.span) }) else { throw lost(call) }
    if !flush() { try await call.wait {}.get() }
  }

  /// Ends the data, or takes it back where `reason` is given, and waits for the server's verdict.
  @discardableResult
  private func endCopy(
    _ call: PostgresCall,
    refusing reason: String?
  ) async -> Result<Void, PostgresError> {
    await call.wait {
      call.isTakingRows = false
      if unsafe PQputCopyEnd(handle, reason) != 1 {
        fail(.connectionLost(reason: unsafe LibPQ.message(handle)), culprit: call)
      }
      flush()
    }
  }

  /// Takes one answer to a script or a COPY; false when nothing more comes before we send.
  func receive(_ result: OpaquePointer?, forExclusive call: PostgresCall) -> Bool {
    guard let result = unsafe result else {
      complete(call)
      return true
    }
    let rows = unsafe PostgresRows(owning: result)
    switch unsafe PQresultStatus(result) {
    case PGRES_COPY_IN:
      guard case .copy = call.work else { break }
      call.isTakingRows = true
      call.resume()
      return false
    case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
      call.results = [rows]
      return true
    case PGRES_FATAL_ERROR:
      let error = unsafe LibPQ.error(result)
      if case .connectionLost = error {
        fail(error, culprit: call)
      } else if call.error == nil {
        call.error = error
      }
      return true
    default: break
    }
    fail(
      .server(sqlState: "0A000", message: "a COPY where none was expected", constraint: nil),
      culprit: call
    )
    return false
  }
}
