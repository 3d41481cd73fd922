import Bytes
import HTTP
import Net

/// Drives one connection: reads requests, has them answered one after the other, writes the replies.
///
///     idle ──first byte──▶ head ──handler──▶ reply ──▶ rest of the body dropped ──▶ idle
///       │                    │ not a request            │ too much of it, or `Connection: close`
///       ▼ time-out, drain    ▼                          ▼
///     close               refuse, linger, close      linger, close
///
/// Bytes are read only when somebody waits for them: for a head here, for a body when the handler asks.
/// Between requests nothing is buffered.
final class HTTPConnection: @unchecked Sendable {  // Confined to its lane's loop.
  let stream: any ByteStream
  let limits: HTTPLimits
  private let lane: HTTPLane
  private let handler: any HTTPHandler
  private let remoteAddress: SocketAddress?
  private var machine: HTTPServerConnection
  /// Whether nothing but the next request is waited for, so that closing harms nobody.
  private(set) var isIdle = false
  /// Whether the client still waits for `100 Continue`.
  private var owesContinue = false
  /// Whether the input can't be read any further, so that no request can follow.
  private var isInputBroken = false

  init(
    _ stream: any ByteStream,
    from remoteAddress: SocketAddress?,
    on lane: HTTPLane,
    limits: HTTPLimits,
    handler: any HTTPHandler
  ) {
    self.stream = stream
    self.remoteAddress = remoteAddress
    self.lane = lane
    self.limits = limits
    self.handler = handler
    machine = HTTPServerConnection(limits: limits)
  }

  /// Whether the server is shutting down.
  var isDraining: Bool { lane.isDraining }

  /// Answers requests until the connection ends, and closes it.
  func run() async {
    while await serveNext() {}
    stream.close()
  }

  /// Says that there are connections enough, and closes without lingering, as room is what we lack.
  func turnAway() async {
    let response = handler.protocolError(
      .serviceUnavailable,
      reason: "There are too many connections."
    )
    _ = await send(response, plan: .refusal)
    stream.close()
  }

  /// Answers one request; false where the connection must close.
  private func serveNext() async -> Bool {
    guard let head = await nextHead() else { return false }
    owesContinue = head.expectsContinue
    let body = HTTPRequestBody.of(head.framing, from: self)
    let request = HTTPRequest(
      head: head,
      body: body,
      remoteAddress: remoteAddress,
      receivedAt: .now
    )
    let response = await handler.respond(to: request)
    let stays = await send(response, to: head)
    body.detach()
    guard stays, await dropRest() else {
      await linger()
      return false
    }
    machine.startNextRequest()
    return true
  }
}

// MARK: - Reading

extension HTTPConnection {
  /// Bytes asked of the socket for a head; few heads are longer.
  private static let headReadSize = 16 * 1024
  /// How long a closing connection waits for the peer to close, see `linger`.
  private static let lingerTime = Duration.seconds(2)

  /// The head of the next request; nil where none comes, or what came was refused.
  private func nextHead() async -> RequestHead? {
    var deadline = Deadline.now
    while true {
      switch machine.next() {
      case .head(let head): return head
      case .failed(let error):
        await refuse(error.status, error.reason)
        return nil
      case .body, .end, nil: break
      }
      let isFirstRead = machine.isIdle
      if isFirstRead, isDraining { return nil }
      if isFirstRead { deadline = .after(limits.idleTimeout) }
      isIdle = isFirstRead
      let bytes = await readHeadBytes(by: deadline, isFirst: isFirstRead)
      isIdle = false
      guard let bytes else { return nil }
      if isFirstRead { deadline = .after(limits.headTimeout) }
      machine.receive(bytes)
    }
  }

  private func readHeadBytes(by deadline: Deadline, isFirst: Bool) async -> [UInt8]? {
    do throws(NetError) {
      let bytes = try await stream.read(upTo: HTTPConnection.headReadSize, deadline: deadline)
      return bytes.isEmpty ? nil : bytes
    } catch .timedOut where !isFirst {
      await refuse(.requestTimeout, "The request did not come whole in time.")
      return nil
    } catch {
      return nil
    }
  }

  /// The next bytes of the body of the request under way; nil at its end.
  func nextBodyBytes() async throws(HTTPBodyError) -> [UInt8]? {
    while true {
      switch machine.next() {
      case .body(let bytes): return bytes
      case .end: return nil
      case .failed: isInputBroken = true
      case .head, nil: break
      }
      if isInputBroken { throw .malformed }
      if machine.isComplete { return nil }
      try await receiveBodyBytes()
    }
  }

  private func receiveBodyBytes() async throws(HTTPBodyError) {
    do throws(NetError) {
      if owesContinue {
        owesContinue = false
        try await stream.write(
          ResponseEncoder.continueResponse,
          deadline: .after(limits.writeTimeout)
        )
      }
      let bytes = try await stream.read(
        upTo: limits.readSize,
        deadline: .after(limits.bodyTimeout)
      )
      guard !bytes.isEmpty else { throw NetError.closed }
      machine.receive(bytes)
    } catch .timedOut {
      isInputBroken = true
      throw .timedOut
    } catch {
      isInputBroken = true
      throw .closed
    }
  }

  /// Reads the rest of a request's body and drops it; false where it is too long or never ends.
  private func dropRest() async -> Bool {
    var left = limits.drain
    do throws(HTTPBodyError) {
      while !isInputBroken, let bytes = try await nextBodyBytes() {
        left -= bytes.count
        guard left >= 0 else { return false }
      }
      return !isInputBroken
    } catch {
      return false
    }
  }

  /// Lets the peer read the reply before the connection is gone.
  ///
  /// Closing a socket that has unread bytes resets the connection, and the reply may be lost with it
  /// (RFC 9112 §9.6). So where more may be coming, we say that we write no more, and read on for a while.
  private func linger() async {
    let mayGetMore = isInputBroken || machine.remainingLength != 0 || machine.buffered > 0
    guard mayGetMore else { return }
    (stream as? SocketStream)?.finishWriting()
    let deadline = Deadline.after(HTTPConnection.lingerTime)
    var left = limits.drain
    do throws(NetError) {
      while left > 0 {
        let bytes = try await stream.read(upTo: limits.readSize, deadline: deadline)
        guard !bytes.isEmpty else { return }
        left -= bytes.count
      }
    } catch {
      return  // Closed or silent: either way the wait is over.
    }
  }
}

// MARK: - Writing

extension HTTPConnection {
  /// Answers what is no request, and lingers.
  private func refuse(_ status: HTTPStatus, _ reason: String) async {
    isInputBroken = true
    _ = await send(handler.protocolError(status, reason: reason), plan: .refusal)
    await linger()
  }

  /// Sends the reply to a request; false where the connection must close.
  private func send(_ response: HTTPResponse, to head: RequestHead) async -> Bool {
    var closes = isDraining || isInputBroken || !head.keepsAlive
    closes = closes || response.fields.hasToken("close", in: "connection")
    if owesContinue {
      // Without 100 the client may send the body or not: what follows could not be told apart.
      owesContinue = false
      closes = true
    }
    if case .stream = response.body {
      // The stream may read the body yet.
    } else if let rest = machine.remainingLength, rest > limits.drain {
      closes = true
    }
    let plan = ReplyPlan(
      response,
      to: head.method,
      version: head.version,
      closes: closes
    )
    return await send(response, plan: plan)
  }

  /// Sends a reply as planned; false where the connection must close.
  private func send(_ response: HTTPResponse, plan: ReplyPlan) async -> Bool {
    do {
      let head = try ResponseEncoder.head(
        response.status,
        fields: response.fields,
        framing: plan.framing(of: response),
        closes: plan.closes,
        version: plan.version,
        date: lane.date()
      )
      return try await write(head, response.body, plan) && !plan.closes
    } catch is HTTPEncodingError {
      await replaceUnsendable(plan)
      return false
    } catch let replacement as HTTPResponseReplacement {
      return await send(replacement.response, plan: plan)
    } catch {
      return false  // The client is gone, or the stream failed half-way: only closing is left.
    }
  }

  /// Sends 500 in the place of a reply whose fields would have broken its framing.
  private func replaceUnsendable(_ plan: ReplyPlan) async {
    let replacement = handler.protocolError(
      .internalServerError,
      reason: "The reply could not be written."
    )
    var closing = plan
    closing.closes = true
    do {
      let head = try ResponseEncoder.head(
        replacement.status,
        fields: replacement.fields,
        framing: closing.framing(of: replacement),
        closes: true,
        version: plan.version,
        date: lane.date()
      )
      _ = try await write(head, replacement.body, closing)
    } catch {
      return  // Nothing more can be said to this client.
    }
  }

  private func write(
    _ head: [UInt8],
    _ body: HTTPResponseBody,
    _ plan: ReplyPlan
  ) async throws -> Bool {
    let deadline = Deadline.after(limits.writeTimeout)
    guard plan.sendsBody else {
      try await stream.write(head, deadline: deadline)
      return true
    }
    switch body {
    case .empty:
      try await stream.write(head, deadline: deadline)
    case .bytes(let bytes):
      try await stream.write(head, bytes, deadline: deadline)
    case .stream(let length, let produce):
      let writer = HTTPResponseWriter(
        self,
        head: head,
        length: length,
        isChunked: plan.isChunked(length)
      )
      do {
        try await produce(writer)
      } catch is HTTPResponseReplacement where writer.hasBegun {
        return false  // Too late to say anything else.
      }
      return try await writer.finish()
    }
    return true
  }
}
