import HTTP

/// How a reply is framed, by the request that it answers (RFC 9112 §6.3).
struct ReplyPlan {
  var version: HTTPVersion
  /// Whether the connection closes afterwards.
  var closes: Bool
  private var isHead: Bool
  private var forbidsBody: Bool

  /// The plan for `response` to a request with `method`.
  init(_ response: HTTPResponse, to method: HTTPMethod, version: HTTPVersion, closes: Bool) {
    self.version = version
    self.closes = closes
    isHead = method == .head
    forbidsBody = response.status.forbidsBody
    if case .stream(length: nil, _) = response.body, version == .http10, sendsBody {
      self.closes = true  // Nothing else tells the end of the body.
    }
  }

  private init() {
    version = .http11
    closes = true
    isHead = false
    forbidsBody = false
  }

  /// The plan for the answer to what is no request.
  static var refusal: ReplyPlan { ReplyPlan() }

  /// Whether a body follows the head.
  var sendsBody: Bool { !isHead && !forbidsBody }

  /// Whether a streamed body of this length goes out in chunks.
  func isChunked(_ length: Int?) -> Bool { length == nil && version == .http11 }

  /// What the head says of the body's length: for HEAD the same as for GET, as far as it is known.
  func framing(of response: HTTPResponse) -> ResponseFraming {
    if response.status.forbidsBody { return .none }
    switch response.body {
    case .empty: return isHead ? .none : .length(0)
    case .bytes(let bytes): return .length(bytes.count)
    case .stream(let length?, _): return .length(length)
    case .stream(nil, _): return version == .http11 ? .chunked : .untilClose
    }
  }
}
