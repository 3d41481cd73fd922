import Foundation
import TestSupport

/// The mail servers of `make demo`, `make bench` and `make soak`: those of the tests, kept running.
///
///     backends PORTS-FILE [--messages N] [--attachment BYTES]
///
/// Writes the ports to PORTS-FILE in the shell's syntax once the servers answer, and stops them, with
/// the mail they hold, on SIGINT or SIGTERM or when the process that started it ends.
@main struct Backends {
  static func main() async throws {
    var arguments = Array(CommandLine.arguments.dropFirst())
    let count = takeOption("--messages", from: &arguments) ?? 60
    let attachment = takeOption("--attachment", from: &arguments)
    guard let file = arguments.first, arguments.count == 1 else {
      FileHandle.standardError.write(
        Data("usage: backends PORTS-FILE [--messages N] [--attachment BYTES]\n".utf8)
      )
      exit(2)
    }
    let signals = TerminationSignals()
    let users = ["ada", "bob", "carol"]
    let dovecot = try await DovecotServer.start(users: users)
    let postfix = try await PostfixServer.start(deliveringTo: dovecot)
    for (index, user) in users.enumerated() {
      try await dovecot.fill(user: user, count: index == 0 ? count : 10, first: index * 7)
      try await dovecot.fill(user: user, mailbox: "Archive", count: 12, first: 1_000_000)
    }
    if let attachment {
      let message = SampleMail.withAttachment(ofSize: attachment)
      try await dovecot.fill(user: users[0], mailbox: "Archive", with: [message])
    }
    try Data(description(dovecot, postfix).utf8).write(to: URL(fileURLWithPath: file))
    await signals.wait()
    await postfix.stop()
    await dovecot.stop()
    exit(0)
  }

  /// Removes `name` and the number after it from the arguments, and returns the number.
  private static func takeOption(_ name: String, from arguments: inout [String]) -> Int? {
    guard let place = arguments.firstIndex(of: name), place + 1 < arguments.count else {
      return nil
    }
    defer { arguments.removeSubrange(place...place + 1) }
    return Int(arguments[place + 1])
  }

  private static func description(_ dovecot: DovecotServer, _ postfix: PostfixServer) -> String {
    """
    IMAP_PORT=\(dovecot.imapPort)
    IMAPS_PORT=\(dovecot.imapsPort)
    POP3_PORT=\(dovecot.pop3Port)
    SMTP_PORT=\(postfix.smtpPort)
    SMTPS_PORT=\(postfix.smtpsPort)
    CA_FILE=\(dovecot.caFile)
    PASSWORD=\(dovecot.password)
    DOVECOT_LOG=\(dovecot.logFile)
    POSTFIX_LOG=\(postfix.logFile)

    """
  }
}

/// SIGINT and SIGTERM as something to wait for.
private struct TerminationSignals {
  private let stream: AsyncStream<Void>
  private let sources: [any DispatchSourceSignal]

  init() {
    let (stream, continuation) = AsyncStream<Void>.makeStream()
    self.stream = stream
    sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { continuation.yield() }
      source.resume()
      return source
    }
  }

  func wait() async {
    for await _ in stream { return }
  }
}
