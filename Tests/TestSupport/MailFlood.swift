import Net
import Synchronization

/// Many small messages over a few connections, each numbered, until all are taken or the server is gone.
package final class MailFlood: Sendable {
  private let port: UInt16
  private let recipient: String
  private let end: Int
  private let next: Mutex<Int>
  private let taken = Mutex<Set<Int>>([])

  /// The messages of `numbers`, to be brought to `recipient` by SMTP on a port of loopback.
  package init(port: UInt16, recipient: String, _ numbers: Range<Int>) {
    self.port = port
    self.recipient = recipient
    end = numbers.upperBound
    next = Mutex(numbers.lowerBound)
  }

  /// The Message-ID of a number, without angle brackets.
  package static func messageID(_ number: Int) -> String { "flood-\(number)@test.invalid" }

  /// The numbers that were answered 250 so far.
  package var answered: Set<Int> { taken.withLock { $0 } }

  /// Brings them over so many connections; ends early where the server goes away.
  package func run(connections: Int = 8) async throws {
    let group = try EventLoopGroup(loopCount: 1)
    await withTaskGroup(of: Void.self) { tasks in
      for _ in 0..<connections {
        tasks.addTask(executorPreference: group.loops[0]) {
          do {
            try await self.bringAll()
          } catch {
            // The server is gone; what it has not answered does not count.
          }
        }
      }
    }
    await group.shutdown()
  }

  private func bringAll() async throws {
    let client = try await RawMailClient.greeted(.ipv4(0x7F00_0001, port: port))
    defer { client.close() }
    while true {
      let number = next.withLock { next in
        defer { next += 1 }
        return next
      }
      guard number < end else { return }
      let id = Self.messageID(number)
      let text = "Message-ID: <\(id)>\r\nSubject: \(number)\r\n\r\nx\r\n"
      guard
        try await client.bring(from: "", to: recipient, message: text).first?.hasPrefix("250")
          == true
      else { return }
      taken.withLock { _ = $0.insert(number) }
    }
  }
}
