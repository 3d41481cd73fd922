package import MailProtocols
package import Net

/// How a session ended.
package enum POP3Farewell: Hashable, Sendable {
  /// What was marked as deleted is gone.
  case done
  /// The server could not delete all that was marked (RFC 1939 §6).
  case refused(POP3Reply)
  /// The answer was lost: what was marked may be gone or not, which the next session's UIDL tells.
  case unknown
}

extension POP3Client {
  /// Marks messages as deleted, which QUIT makes true; the answer to each, in order.
  ///
  /// A number means nothing by itself: a message is deleted only if the server told its unique id under
  /// this number in this very session, or, where it has none, if the message came whole in this session
  /// and so is known by its content.
  ///
  /// - Throws: `.unverified` before anything is sent, if that is not so of one of them.
  package func delete(
    _ messages: [POP3ListedMessage],
    deadline: Deadline? = nil
  ) async throws(POP3Error) -> [POP3Reply] {
    for message in messages {
      let isVerified =
        if let uniqueID = message.uniqueID {
          uniqueIDs[message.number] == uniqueID
        } else {
          retrieved.contains(message.number) && uniqueIDs[message.number] == nil
        }
      guard isVerified else { throw .unverified(message.number) }
    }
    return try await replies(to: messages.map { .delete($0.number) }, deadline: deadline)
  }

  /// Takes every deletion of this session back.
  package func reset(deadline: Deadline? = nil) async throws(POP3Error) {
    try await perform(.reset, deadline: deadline)
  }

  /// Keeps the session alive.
  package func noop(deadline: Deadline? = nil) async throws(POP3Error) {
    try await perform(.noop, deadline: deadline)
  }

  /// Says goodbye, which deletes what was marked, and closes.
  package func quit() async -> POP3Farewell {
    var farewell = POP3Farewell.unknown
    if isUsable {
      do throws(POP3Error) {
        let reply = try await reply(to: .quit, deadline: .now + timeouts.quit)
        farewell = reply.isPositive ? .done : .refused(reply)
      } catch {
        farewell = .unknown
      }
    }
    close()
    return farewell
  }

  /// The languages of the server's texts (RFC 6856 §3.2).
  package func languages(deadline: Deadline? = nil) async throws(POP3Error) -> [POP3Language] {
    let deadline = deadline ?? .now + timeouts.command
    try await begin(deadline)
    defer { end() }
    try send(.languages)
    var languages: [POP3Language] = []
    while true {
      switch try await nextEvent(deadline) {
      case .completed(let reply): throw .refused(command: "LANG", reply)
      case .began, .malformedLine: continue
      case .language(let language): languages.append(language)
      case .ended: return languages
      default: throw astray()
      }
    }
  }

  /// Asks for texts in the language `tag`, `*` for the server's choice.
  package func setLanguage(_ tag: String, deadline: Deadline? = nil) async throws(POP3Error) {
    let command: POP3Command
    do throws(POP3InputError) {
      command = try .language(tag)
    } catch {
      throw .invalid(error)
    }
    try await perform(command, deadline: deadline)
  }
}
