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
    guard let options = Options(CommandLine.arguments.dropFirst()) else {
      FileHandle.standardError.write(Data(Options.usage.utf8))
      exit(2)
    }
    let signals = TerminationSignals()
    let users = ["ada", "bob", "carol"]
    let dovecot = try await DovecotServer.start(users: users)
    let postfix = try await PostfixServer.start(deliveringTo: dovecot)
    for (index, user) in users.enumerated() {
      try await dovecot.fill(
        user: user,
        count: index == 0 ? options.messages : 10,
        first: index * 7
      )
      try await dovecot.fill(user: user, mailbox: "Archive", count: 12, first: 1_000_000)
    }
    if let attachment = options.attachment {
      let message = SampleMail.withAttachment(ofSize: attachment)
      try await dovecot.fill(user: users[0], mailbox: "Archive", with: [message])
    }
    try Data(description(dovecot, postfix).utf8).write(to: URL(fileURLWithPath: options.file))
    await signals.wait()
    await postfix.stop()
    await dovecot.stop()
    exit(0)
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

/// What the command line asks for.
private struct Options {
  static let usage = "usage: backends PORTS-FILE [--messages N] [--attachment BYTES]\n"

  var file = ""
  var messages = 60
  var attachment: Int?

  /// Nil for an option that is not known, a number that is none, and anything but one file.
  init?(_ arguments: some Sequence<String>) {
    var files: [String] = []
    var rest = arguments.makeIterator()
    while let argument = rest.next() {
      switch argument {
      case "--messages":
        guard let number = rest.next().flatMap({ Int($0) }) else { return nil }
        messages = number
      case "--attachment":
        guard let number = rest.next().flatMap({ Int($0) }) else { return nil }
        attachment = number
      case _ where argument.hasPrefix("-"): return nil
      default: files.append(argument)
      }
    }
    guard files.count == 1 else { return nil }
    file = files[0]
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
