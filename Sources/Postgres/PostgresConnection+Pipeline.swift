import CPostgres

// Pipelines: statements prepared where needed, run, and one sync.
extension PostgresConnection {
  /// Writes a call into libpq's buffer; false when libpq refuses, which breaks the connection.
  func send(_ call: PostgresCall) -> Bool {
    switch call.work {
    case .script(let text), .copy(let text): return unsafe PQsendQuery(handle, text) == 1
    case .pipeline(let statements): return send(statements, for: call)
    }
  }

  private func send(_ list: [SQL], for call: PostgresCall) -> Bool {
    guard deallocateDropped(for: call) else { return false }
    if owesBegin {
      owesBegin = false
      guard send("begin", isKept: false, for: call) else { return false }
    }
    for statement in list {
      guard send(statement, isKept: true, for: call) else { return false }
    }
    return unsafe PQpipelineSync(handle) == 1
  }

  /// Frees statements that left the cache, if the server is known to be able to.
  private func deallocateDropped(for call: PostgresCall) -> Bool {
    guard sentCount == 0, !statements.dropped.isEmpty,
      unsafe PQtransactionStatus(handle) == PQTRANS_IDLE
    else { return true }
    for name in statements.takeDropped() {
      let text = "deallocate \(name)"
      let sent = unsafe PQsendQueryParams(handle, text, 0, nil, nil, nil, nil, 1)
      guard sent == 1 else { return false }
      call.steps.append(.deallocate)
    }
    call.steps.append(.sync)
    return unsafe PQpipelineSync(handle) == 1
  }

  private func send(_ sql: SQL, isKept: Bool, for call: PostgresCall) -> Bool {
    let types = sql.bindings.entries.map(\.type.rawValue)
    guard let name = preparedName(sql.text, types, for: call) else { return false }
    call.steps.append(.run(text: sql.text, isKept: isKept))
    return unsafe sql.bindings.withPointers { values, lengths, formats in
      unsafe PQsendQueryPrepared(
        handle,
        name,
        Int32(types.count),
        values.baseAddress,
        lengths.baseAddress,
        formats.baseAddress,
        1
      ) == 1
    }
  }

  /// The name of the statement, whose preparation is sent first where this connection has none yet.
  private func preparedName(_ text: String, _ types: [UInt32], for call: PostgresCall) -> String? {
    if let name = statements.name(for: text, types: types) { return name }
    for step in call.steps {
      if case .prepare(text, types, let name) = step { return name }
    }
    let name = statements.makeName()
    guard unsafe PQsendPrepare(handle, name, text, Int32(types.count), types) == 1 else {
      return nil
    }
    call.steps.append(.prepare(text: text, types: types, name: name))
    return name
  }

  /// Takes one answer, nil being the end of those to one step.
  func receive(_ result: OpaquePointer?, forPipeline call: PostgresCall) {
    guard let result = unsafe result else {
      guard call.awaitsEnd else {
        return fail(.connectionLost(reason: "an answer is missing"), culprit: call)
      }
      call.awaitsEnd = false
      call.position += 1
      return
    }
    let rows = unsafe PostgresRows(owning: result)
    let step = call.position < call.steps.count ? call.steps[call.position] : nil
    switch unsafe PQresultStatus(result) {
    case PGRES_PIPELINE_SYNC:
      if case .sync = step { call.position += 1 } else { complete(call) }
    case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
      call.awaitsEnd = true
      accept(rows, of: step, for: call)
    case PGRES_PIPELINE_ABORTED: call.awaitsEnd = true
    case PGRES_FATAL_ERROR:
      call.awaitsEnd = true
      refuse(unsafe LibPQ.error(result), step, call)
    default:
      // A COPY through `query`, for one: the protocol has no way back from it here.
      fail(
        .server(sqlState: "0A000", message: "not a statement for a pipeline", constraint: nil),
        culprit: call
      )
    }
  }

  private func accept(_ rows: PostgresRows, of step: PostgresCall.Step?, for call: PostgresCall) {
    switch step {
    case .prepare(let text, let types, let name): statements.insert(text, types: types, name: name)
    case .run(_, isKept: true): call.results.append(rows)
    default: break
    }
  }

  private func refuse(_ error: PostgresError, _ step: PostgresCall.Step?, _ call: PostgresCall) {
    if case .connectionLost = error { return fail(error, culprit: call) }
    if case .deallocate = step { return }
    if call.error == nil { call.error = error }
    // The schema changed under a prepared statement, or somebody discarded it: prepare it anew.
    if case .server(let state, _, _) = error, state == "0A000" || state == "26000",
      case .run(let text, _) = step
    {
      statements.evict(text)
    }
  }
}

extension SQL.Bindings {
  /// Lends the values, lengths and formats as libpq wants them.
  func withPointers<R>(
    _ body: (
      UnsafeBufferPointer<UnsafePointer<CChar>?>, UnsafeBufferPointer<Int32>,
      UnsafeBufferPointer<Int32>
    ) -> R
  ) -> R {
    let lengths = entries.map { Int32(clamping: $0.length ?? 0) }
    let formats = entries.map { Int32($0.isBinary ? 1 : 0) }
    return unsafe buffer.bytes.withUnsafeBytes { bytes in
      // An empty value still needs an address: nil is NULL.
      var nothing: CChar = 0
      return unsafe withUnsafePointer(to: &nothing) { nothing in
        let base = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self) ?? nothing
        let values = unsafe entries.map { entry in
          unsafe entry.length == nil ? nil : Optional(base + entry.offset)
        }
        return unsafe values.withUnsafeBufferPointer { values in
          unsafe lengths.withUnsafeBufferPointer { lengths in
            unsafe formats.withUnsafeBufferPointer { unsafe body(values, lengths, $0) }
          }
        }
      }
    }
  }
}
