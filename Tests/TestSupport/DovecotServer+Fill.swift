import Foundation

extension DovecotServer {
  /// Puts `count` sample messages into a mailbox by writing Maildir files, 10,000 in some seconds.
  ///
  /// The mailbox's name must be ASCII without dots. Every second message is `\Seen`, every tenth
  /// `\Flagged`; INTERNALDATE is the message's own date. `first` is the number of the first message.
  package func fill(
    user: String,
    mailbox: String = "INBOX",
    count: Int,
    first: Int = 0
  ) async throws {
    try await fill(
      user: user,
      mailbox: mailbox,
      messages: (first..<first + count).lazy.map { index in
        (bytes: SampleMail.message(index), date: SampleMail.date(index), index: index)
      }
    )
  }

  /// Puts these messages into a mailbox, as `fill(user:mailbox:count:)` does.
  package func fill(
    user: String,
    mailbox: String = "INBOX",
    with messages: [[UInt8]]
  ) async throws {
    try await fill(
      user: user,
      mailbox: mailbox,
      messages: messages.enumerated().lazy.map { index, bytes in
        (bytes: bytes, date: SampleMail.date(index), index: index)
      }
    )
  }

  private func fill(
    user: String,
    mailbox: String,
    messages: some Sequence<(bytes: [UInt8], date: Int, index: Int)>
  ) async throws {
    let address = address(of: user)
    if mailbox != "INBOX" {
      _ = try? await doveadm(["mailbox", "create", "-s", "-u", address, mailbox])
    } else {
      try await doveadm(["mailbox", "status", "-u", address, "messages", "INBOX"])
    }
    let flat = mailbox.split(separator: Character(options.delimiter)).joined(separator: ".")
    let folder = mailbox == "INBOX" ? "" : "/.\(flat)"
    let current = directory.file("mail/\(address)/maildir\(folder)/cur")
    guard FileManager.default.fileExists(atPath: current) else {
      throw TestSupportError.failed("no mailbox \(mailbox) at \(current)")
    }
    for message in messages {
      let flags = (message.index % 10 == 9 ? "F" : "") + (message.index % 2 == 0 ? "S" : "")
      let serial = String(UInt64.random(in: .min ... .max), radix: 36)
      let name = "\(message.date).M\(message.index)R\(serial).restante,S=\(message.bytes.count)"
      let path = "\(current)/\(name):2,\(flags)"
      try writeFile(message.bytes, to: path)
      let time = timeval(tv_sec: message.date, tv_usec: 0)
      let times = [time, time]
      guard unsafe utimes(path, times) == 0 else {
        throw TestSupportError.failed("utimes \(path): errno \(errno)")
      }
      try giveToMailUser(path)
    }
  }

  private func writeFile(_ bytes: [UInt8], to path: String) throws {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw TestSupportError.failed("open \(path): errno \(errno)") }
    defer { close(descriptor) }
    let written = unsafe bytes.withUnsafeBytes {
      unsafe write(descriptor, $0.baseAddress, $0.count)
    }
    guard written == bytes.count else {
      throw TestSupportError.failed("write \(path): errno \(errno)")
    }
  }
}
