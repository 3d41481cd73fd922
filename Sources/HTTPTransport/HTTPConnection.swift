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
/// While it is idle nothing is buffered and no task waits: `HTTPLane` starts one when bytes come.
final class HTTPConnection: @unchecked Sendable {  // Confined to its lane's loop.
  let stream: SocketStream
  let limits: HTTPLimits
  private let lane: HTTPLane
  private let handler: any HTTPHandler
  private var machine: HTTPServerConnection
  /// False for a connection that is one too many, and only told so.
  var isWelcome = true
  /// Whether the client still waits for `100 Continue`.
  private var owesContinue = false
  /// Whether the input can't be read any further, so that no request can follow.
  private var isInputBroken = false

  init(
    _ stream: SocketStream,
    on lane: HTTPLane,
    limits: HTTPLimits,
    handler: any HTTPHandler
  ) {
    self.stream = stream
    self.lane = lane
    self.limits = limits
    self.handler = handler
    machine = HTTPServerConnection(limits: limits)
  }

  /// Whether the server is shutting down.
  var isDraining: Bool { lane.isDraining }

  /// Answers the requests that come; whether the connection is idle now, and not closed.
  func serve() async -> Bool {
    guard isWelcome else {
      await turnAway()
      return false
    }
    while true {
      switch await nextHead() {
      case .request(let head):
        if await answer(head) { continue }
      case .nothing: return true
      case .end: break
      }
      stream.close()
      return false
    }
  }

  /// Says that there are connections enough, and closes without lingering, as room is what we lack.
  private func turnAway() async {
    let response = handler.protocolError(
      .serviceUnavailable,
      reason: "There are too many connections."
    )
    _ = await send(response, plan: .refusal)
    stream.close()
  }

  /// Answers one request; false where the connection must close.
  private func answer(_ head: RequestHead) async -> Bool {
    owesContinue = head.expectsContinue
    let body = HTTPRequestBody.of(head.framing, from: self)
    let request = HTTPRequest(
      head: head,
      body: body,
      remoteAddress: stream.remoteAddress,
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

  /// What came of looking for a request.
  private enum Arrival {
    case request(RequestHead)
    /// Not a byte of one is there.
    case nothing
    /// None will come, or what came was refused.
    case end
  }

  private func nextHead() async -> Arrival {
    var deadline: Deadline?
    while true {
      switch machine.next() {
      case .head(let head): return .request(head)
      case .failed(let error):
        await refuse(error.status, error.reason)
        return .end
      case .body, .end, nil: break
      }
      do throws(NetError) {
        let bytes: [UInt8]
        if machine.isIdle {
          if isDraining { return .end }
          guard let found = try stream.readNow(upTo: HTTPConnection.headReadSize) else {
            return .nothing
          }
          bytes = found
        } else {
          let limit = deadline ?? .after(limits.headTimeout)
          deadline = limit
          bytes = try await stream.read(upTo: HTTPConnection.headReadSize, deadline: limit)
        }
        guard !bytes.isEmpty else { return .end }
        machine.receive(bytes)
      } catch .timedOut {
        await refuse(.requestTimeout, "The request did not come whole in time.")
        return .end
      } catch {
        return .end
      }
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
    stream.finishWriting()
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
