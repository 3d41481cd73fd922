import ArgumentParser
import Bytes
import Foundation
import HTTP
import HTTPTransport
import Net

/// Where the service is that a command talks to, and with which token.
struct ServiceOptions: ParsableArguments {
  @Option(help: "Where the service answers (RESTANTE_URL; default http://127.0.0.1:8080).")
  var url: String?

  @Option(
    help: "A file with a token (default: RESTANTE_TOKEN, or admin.token in the data directory)."
  )
  var tokenFile: String?

  @Option(name: .customLong("data"), help: "The data directory (RESTANTE_DATA).")
  var dataDirectory: String?

  @Option(help: "PEM certificates to trust in place of the system's (RESTANTE_CA_FILE).")
  var caFile: String?

  /// A client of the service, on the loops of `group`.
  func client(_ group: EventLoopGroup) throws -> ServiceClient {
    let environment = ProcessInfo.processInfo.environment
    let address = url ?? environment["RESTANTE_URL"] ?? "http://127.0.0.1:8080"
    guard let parts = URLComponents(string: address), let host = parts.host, !host.isEmpty,
      parts.scheme == "http" || parts.scheme == "https", parts.path.isEmpty || parts.path == "/"
    else { throw ValidationError("\(address) is no URL of a service; write http://HOST:PORT.") }
    let isSecure = parts.scheme == "https"
    let port = parts.port ?? (isSecure ? 443 : 80)
    guard let port = UInt16(exactly: port) else { throw ValidationError("\(port) is no port.") }
    return ServiceClient(
      host: host.trimmingCharacters(in: ["[", "]"]),
      port: port,
      roots: isSecure
        ? (caFile ?? environment["RESTANTE_CA_FILE"]).map { .file($0) } ?? .system : nil,
      token: try token(environment),
      group: group
    )
  }

  private func token(_ environment: [String: String]) throws -> String {
    if tokenFile == nil, let token = environment["RESTANTE_TOKEN"] { return token }
    let data = dataDirectory ?? environment["RESTANTE_DATA"] ?? Settings().dataDirectory
    let path = tokenFile ?? data + "/admin.token"
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw StartError(
        "\(path) cannot be read; name a token by --token-file or RESTANTE_TOKEN."
      )
    }
    let token = String(decoding: bytes, as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    guard token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw StartError("\(path) holds no token.")
    }
    return token
  }
}

/// Talks to a running service over its API.
struct ServiceClient: Sendable {
  let host: String
  let port: UInt16
  /// The authorities that its certificate is judged by; nil without TLS.
  let roots: TLSClientConfiguration.Roots?
  let token: String
  let group: EventLoopGroup

  /// The service could not be asked, or its answer broke off: it may be tried again.
  struct Interruption: Error {
    let reason: String
  }

  /// What the service refused, in its words.
  struct Refusal: Error {
    let status: Int
    let detail: String
    let isRetryable: Bool
  }

  /// Sends a request; its answer is read by `body`.
  func call<R: Sendable>(
    _ method: HTTPMethod,
    _ target: String,
    fields: [(name: String, value: String)] = [],
    sending source: (() async throws -> [UInt8]?)? = nil,
    _ body: (HTTPAnswer, HTTPClientConnection) async throws -> R
  ) async throws -> R {
    let connection = HTTPClientConnection(try await connect(), host: host)
    defer { connection.close() }
    do {
      let answer = try await connection.send(
        method,
        target,
        fields + [("Authorization", "Bearer \(token)")],
        body: source
      )
      guard (200..<300).contains(answer.status) else {
        throw try await refusal(answer, connection)
      }
      return try await body(answer, connection)
    } catch let error as HTTPClientError {
      throw Interruption(reason: "The connection to the service broke: \(error).")
    }
  }

  /// The JSON that answers a request.
  func json(
    _ method: HTTPMethod,
    _ target: String,
    _ value: JSONValue? = nil,
    sending source: (() async throws -> [UInt8]?)? = nil
  ) async throws -> JSONValue {
    var rest = value?.encoded
    let encoded: (() async throws -> [UInt8]?)? =
      value == nil
      ? source
      : {
        defer { rest = nil }
        return rest
      }
    let type = value == nil ? "application/octet-stream" : "application/json"
    let fields = encoded == nil ? [] : [(name: "Content-Type", value: type)]
    return try await call(method, target, fields: fields, sending: encoded) { _, connection in
      try await Self.json(connection)
    }
  }

  private static func json(_ connection: HTTPClientConnection) async throws -> JSONValue {
    var bytes: [UInt8] = []
    while let piece = try await connection.nextBytes() {
      bytes += piece
      guard bytes.count < 64 << 20 else { throw HTTPClientError.malformed }
    }
    do {
      return try JSONReader.parse(bytes.span)
    } catch {
      throw HTTPClientError.malformed
    }
  }

  private func refusal(
    _ answer: HTTPAnswer,
    _ connection: HTTPClientConnection
  ) async throws -> Refusal {
    let problem: JSONValue? = try? await Self.json(connection)  // Without one the status has to do.
    return Refusal(
      status: answer.status,
      detail: problem?["detail"]?.stringValue ?? "The service answered with \(answer.status).",
      isRetryable: problem?["retryable"]?.boolValue ?? (answer.status >= 502)
    )
  }

  private func connect() async throws -> any ByteStream {
    let everywhere = ["0.0.0.0/0", "::/0"].compactMap { CIDR($0) }
    let connector = Connector(policy: OutboundPolicy(allowed: everywhere), group: group)
    let deadline = Deadline.after(.seconds(20))
    do throws(NetError) {
      let socket = try await connector.connect(host: host, port: port, deadline: deadline)
      guard let roots else { return socket }
      let context = try TLSClientContext(TLSClientConfiguration(roots: roots))
      return try await TLSStream.client(
        over: socket,
        serverName: host,
        context: context,
        deadline: deadline
      )
    } catch {
      throw Interruption(reason: "The service at \(host):\(port) cannot be reached: \(error).")
    }
  }
}

extension ServiceClient {
  /// The id of the account that an id or an address names.
  func account(_ name: String) async throws -> String {
    if name.hasPrefix("acc_") { return name }
    var target = "/v1/accounts?limit=500"
    while true {
      let page = try await json(.get, target)
      for account in page["items"]?.arrayValue ?? []
      where account["email"]?.stringValue?.lowercased() == name.lowercased() {
        if let id = account["id"]?.stringValue { return id }
      }
      guard let next = page["next"]?.stringValue else {
        throw StartError("There is no account \(name).")
      }
      target = "/v1/accounts?limit=500&cursor=\(Self.escaped(next))"
    }
  }

  /// The id or the role of the mailbox that an id, a role or a path names.
  func mailbox(_ name: String, of account: String) async throws -> String {
    let page = try await json(.get, "/v1/accounts/\(account)/mailboxes?limit=500")
    for mailbox in page["items"]?.arrayValue ?? [] {
      let names = ["id", "role", "path"].compactMap { mailbox[$0]?.stringValue }
      if names.contains(name), let id = mailbox["id"]?.stringValue { return id }
    }
    throw StartError("The account has no mailbox \(name).")
  }

  /// `text` as a value in a query.
  static func escaped(_ text: String) -> String {
    String(decoding: PercentCoding.encode(Array(text.utf8).span), as: UTF8.self)
  }
}
