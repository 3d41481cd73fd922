package import MailProtocols
package import Net

/// What some servers know of a message beside what every server does.
package enum MessageAttribute: CaseIterable, Sendable {
  /// EMAILID (RFC 8474), or Gmail's message id: the same for each copy of a message.
  case emailID
  /// THREADID (RFC 8474), or Gmail's thread id.
  case threadID
  /// When the message came into this mailbox (RFC 8514).
  case saveDate
  /// The start of the text (RFC 8970), as far as the server has it at hand.
  case preview
  /// Gmail's labels.
  case labels
}

extension IMAPClient {
  /// Those of `wanted` that this server knows.
  package func supportedAttributes(_ wanted: Set<MessageAttribute>) -> Set<MessageAttribute> {
    wanted.filter { item(for: $0) != nil }
  }

  /// The messages `uids` with those of `wanted` that the server knows; the others stay nil, and the
  /// caller finds a preview from the text, a thread from the header.
  package func fetchAttributes(
    _ uids: UIDSet,
    _ wanted: Set<MessageAttribute>,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> [FetchedMessage] {
    let items = MessageAttribute.allCases.filter(wanted.contains).compactMap { item(for: $0) }
    guard !items.isEmpty, !uids.isEmpty else { return [] }
    var found: [FetchedMessage] = []
    let command = IMAPCommand.fetch(uids, "UID \(items.joined(separator: " "))")
    try await perform(command, deadline: deadline) { response in
      guard case .fetch(let message) = response, message.uid.map(uids.contains) == true else {
        return false
      }
      // Flags alone are a change that somebody else made.
      let isAnswer = message.flags == nil
      if isAnswer { found.append(message) }
      return isAnswer
    }
    return found
  }

  /// What the sync FETCH asks for beside what every server knows: who the message and its thread are.
  var summaryAttributes: String {
    [MessageAttribute.emailID, .threadID].compactMap { item(for: $0) }.map { " \($0)" }.joined()
  }

  private func item(for attribute: MessageAttribute) -> String? {
    let hasGmail = capabilities.contains(.gmail)
    let hasObjectID = capabilities.contains(.objectID)
    return switch attribute {
    case .emailID where hasGmail: "X-GM-MSGID"
    case .emailID: hasObjectID ? "EMAILID" : nil
    case .threadID where hasGmail: "X-GM-THRID"
    case .threadID: hasObjectID ? "THREADID" : nil
    case .saveDate: capabilities.contains(.saveDate) ? "SAVEDATE" : nil
    case .preview: capabilities.contains(.preview) ? "PREVIEW (LAZY)" : nil
    case .labels: hasGmail ? "X-GM-LABELS" : nil
    }
  }
}

extension IMAPClient {
  /// The content of a part, its transfer encoding taken off by the server where it can (RFC 3516).
  ///
  /// `isDecoded` tells whether it was; else the caller decodes the part by what BODYSTRUCTURE says.
  /// A server that has BINARY but not this encoding says so (UNKNOWN-CTE), and is asked for the part
  /// as it is.
  package func fetchContent(
    _ uid: UID,
    _ path: PartPath,
    upTo limit: Int
  ) async throws(IMAPError) -> (bytes: [UInt8], isDecoded: Bool) {
    if capabilities.contains(.binary) {
      do throws(IMAPError) {
        return (try await fetchBytes(uid, .binary(path), upTo: limit), true)
      } catch {
        guard case .refused = error else { throw error }
      }
    }
    return (try await fetchBytes(uid, .part(path), upTo: limit), false)
  }
}
