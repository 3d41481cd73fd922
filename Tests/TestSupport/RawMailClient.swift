package import Net

/// A client of SMTP or LMTP that sends what it is told, byte for byte, and reads whole replies.
package final class RawMailClient: @unchecked Sendable {  // Used by one task of its loop at a time.
  private let socket: SocketStream
  private var stream: any ByteStream
  private var input: [UInt8] = []

  /// Connects, from a task of a loop, which will own it; the greeting is still to be read.
  package init(_ address: SocketAddress) async throws {
    socket = try await SocketStream.connect(to: address, deadline: .after(.seconds(60)))
    stream = socket
  }

  /// Connects, reads the greeting and says hello.
  package static func greeted(
    _ address: SocketAddress,
    hello: String = "EHLO client.example"
  ) async throws -> RawMailClient {
    let client = try await RawMailClient(address)
    _ = try await client.reply()
    _ = try await client.say(hello)
    return client
  }

  /// Sends `bytes` as they are.
  package func send(_ bytes: [UInt8]) async throws {
    try await stream.write(bytes, deadline: .after(.seconds(60)))
  }

  /// Sends `text` as it is.
  package func send(_ text: String) async throws { try await send(Array(text.utf8)) }

  /// The next reply, its lines joined by LF; nil where the connection was closed.
  package func reply() async throws -> String? {
    var lines: [String] = []
    while true {
      guard let line = try await line() else { return nil }
      lines.append(line)
      if Array(line.utf8).dropFirst(3).first != 0x2D { return lines.joined(separator: "\n") }
    }
  }

  /// Sends a command and returns its reply, empty where the connection was closed.
  @discardableResult
  package func say(_ command: String) async throws -> String {
    try await send(command + "\r\n")
    return try await reply() ?? ""
  }

  /// Sends commands and returns the code and the enhanced status of each reply.
  package func codes(_ commands: String...) async throws -> [String] {
    var codes: [String] = []
    for command in commands { codes.append(String(try await say(command).prefix(9))) }
    return codes
  }

  /// Sends a whole message and returns the last reply, or as many as there are recipients in LMTP.
  package func bring(
    from sender: String,
    to recipients: String...,
    parameters: String = "",
    isLMTP: Bool = false,
    message: String
  ) async throws -> [String] {
    var replies = [try await say("MAIL FROM:<\(sender)> \(parameters)")]
    for recipient in recipients { replies.append(try await say("RCPT TO:<\(recipient)>")) }
    let good = replies.dropFirst().count { $0.hasPrefix("250") }
    replies.append(try await say("DATA"))
    guard replies.last?.hasPrefix("354") == true else { return [replies.last ?? ""] }
    try await send(message + ".\r\n")
    var ends: [String] = []
    for _ in 0..<(isLMTP ? good : 1) { ends.append(try await reply() ?? "") }
    return ends
  }

  /// Says STARTTLS and shakes hands.
  package func startTLS(_ caFile: String) async throws {
    guard try await say("STARTTLS").hasPrefix("220") else {
      throw TestSupportError.failed("STARTTLS was refused")
    }
    stream = try await TLSStream.client(
      over: socket,
      serverName: "localhost",
      context: try TLSClientContext(TLSClientConfiguration(roots: .file(caFile))),
      deadline: .after(.seconds(60))
    )
  }

  /// Closes the connection.
  package func close() { stream.close() }

  private func line() async throws -> String? {
    while true {
      if let end = input.firstIndex(of: 0x0A) {
        defer { input.removeSubrange(...end) }
        return String(decoding: input[..<end].filter { $0 != 0x0D }, as: UTF8.self)
      }
      let bytes: [UInt8]
      do throws(NetError) {
        bytes = try await stream.read(upTo: 4096, deadline: .after(.seconds(60)))
      } catch .timedOut {
        throw TestSupportError.timedOut("a reply")
      } catch {
        return nil
      }
      guard !bytes.isEmpty else { return nil }
      input += bytes
    }
  }
}
