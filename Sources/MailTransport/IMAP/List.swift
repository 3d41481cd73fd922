package import MailProtocols
package import Net

/// What LIST is asked to return with the names, as far as the server can.
package struct ListOptions: Sendable {
  /// Special-use attributes (RFC 6154).
  package var specialUse = true
  /// `\Subscribed` (RFC 5258); by LSUB where the server lacks it.
  package var subscribed = true
  /// Counters of each mailbox (RFC 5819); the caller asks by STATUS where the server lacks it.
  package var status: [StatusItem] = []

  /// The defaults that stand at each member.
  package init(status: [StatusItem] = []) { self.status = status }
}

extension IMAPClient {
  /// The mailboxes whose names match `pattern`, in which `*` stands for any text.
  ///
  /// A server without LIST-EXTENDED is asked by LIST and LSUB, in one write.
  package func list(
    reference: String = "",
    pattern: String = "*",
    returning options: ListOptions = ListOptions(),
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> [ListedMailbox] {
    var commands: [IMAPCommand] = []
    if capabilities.contains(.listExtended) {
      var returned: [String] = []
      if options.subscribed { returned.append("SUBSCRIBED") }
      returned.append("CHILDREN")
      if options.specialUse, capabilities.contains(.specialUse) { returned.append("SPECIAL-USE") }
      let status = capabilities.contains(.listStatus) ? options.status : []
      commands = [
        .list(reference: reference, pattern: pattern, returning: returned, status: status)
      ]
    } else {
      commands = [.list(reference: reference, pattern: pattern)]
      if options.subscribed {
        commands.append(.listSubscribed(reference: reference, pattern: pattern))
      }
    }
    var gathered = MailboxList(limit: limits.mailboxes)
    let statuses = try await pipeline(commands, deadline: deadline) { gathered.take($0) }
    guard let first = statuses.first, first.condition == .ok else {
      throw IMAPError(statuses.first ?? StatusResponse(.bad), to: "LIST")
    }
    guard !gathered.isOverfull else {
      throw .limitExceeded(limit: "\(limits.mailboxes) mailboxes")
    }
    return gathered.mailboxes
  }

  /// The prefixes under which mailboxes stand; none where the server does not know the command.
  package func namespaces(deadline: Deadline? = nil) async throws(IMAPError) -> Namespaces {
    guard capabilities.contains(.namespace) else { return Namespaces() }
    var found = Namespaces()
    try await perform(.namespace, deadline: deadline) { response in
      guard case .namespaces(let namespaces) = response else { return false }
      found = namespaces
      return true
    }
    return found
  }
}

/// Gathers the answers to LIST, LSUB and LIST-STATUS.
private struct MailboxList {
  let limit: Int
  private(set) var mailboxes: [ListedMailbox] = []
  private(set) var isOverfull = false
  private var indices: [MailboxName: Int] = [:]

  init(limit: Int) { self.limit = limit }

  mutating func take(_ response: UntaggedResponse) -> Bool {
    switch response {
    case .list(let mailbox):
      if let index = indices[mailbox.name] {
        mailboxes[index].attributes.formUnion(mailbox.attributes)
      } else if mailboxes.count < limit {
        indices[mailbox.name] = mailboxes.count
        mailboxes.append(mailbox)
      } else {
        isOverfull = true
      }
    case .subscribed(let mailbox):
      // A subscription to a mailbox that is gone is no mailbox.
      if let index = indices[mailbox.name] { mailboxes[index].attributes.insert(.subscribed) }
    case .status(let name, let status):
      guard let index = indices[name] else { return false }
      mailboxes[index].status = status
    default: return false
    }
    return true
  }
}
