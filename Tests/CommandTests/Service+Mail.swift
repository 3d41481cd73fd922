import Bytes
import TestSupport
import Testing

extension Service {
  /// Calls the API as the administrator; the JSON that it answers, null where it answers none.
  @discardableResult
  func call(_ method: String, _ path: String, _ body: String? = nil) async throws -> JSONValue {
    let text = try await Command.run(
      ["curl", "-fsS", "-X", method, "-H", "Authorization: Bearer \(try token())"]
        + (body.map { ["--json", $0] } ?? []) + ["\(address)\(path)"]
    )
    return text.isEmpty ? .null : try JSONReader.parse([UInt8](text.utf8).span)
  }

  /// Adds an account; its id.
  func addAccount(_ email: String, mode: String? = nil, incoming: String) async throws -> String {
    let mode = mode.map { #""mode": "\#($0)","# } ?? ""
    let made = try await call(
      "POST",
      "/v1/accounts",
      #"{ "email": "\#(email)", \#(mode) "incoming": \#(incoming) }"#
    )
    return try #require(made["id"]?.stringValue)
  }

  /// The members `incoming` of a server of this machine, without TLS.
  static func incoming(
    _ kind: String,
    port: UInt16,
    user: String,
    password: String = "secret"
  ) -> String {
    """
    { "protocol": "\(kind)", "host": "127.0.0.1", "port": \(port), "tls": "none",
      "auth": { "username": "\(user)", "password": "\(password)" } }
    """
  }

  /// The Message-ID of every message in a mailbox.
  func messageIDs(of account: String, in mailbox: String = "inbox") async throws -> [String] {
    var all: [String] = []
    let first = "/v1/accounts/\(account)/messages?mailbox=\(mailbox)&limit=500&fields=messageId"
    var path = first
    while true {
      let page = try await get(path)
      for item in page["items"]?.arrayValue ?? [] {
        all += item["messageId"]?.arrayValue?.compactMap(\.stringValue) ?? []
      }
      guard let next = page["next"]?.stringValue else { return all }
      path = "\(first)&cursor=\(next)"
    }
  }

  /// Kills the program, as a crash would, and waits for its end.
  func kill() async throws {
    process.send(signal: 9)
    _ = try await eventuallyFind("the end") { process.exitStatus }
  }
}
