package import MailProtocols
package import Net

extension IMAPClient {
  /// Asks to be told of changes in other mailboxes too (RFC 5465), and returns the counters that the
  /// server told at once.
  ///
  /// What is told later comes as events, most of it in `idle`. A server that does not know one of the
  /// kinds of change is asked for those it knows. Without NOTIFY it throws `.unsupported`: the caller
  /// asks by STATUS.
  @discardableResult
  package func notify(
    _ request: NotifyRequest,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> [MailboxName: MailboxStatus] {
    guard capabilities.contains(.notify) else { throw .unsupported("NOTIFY") }
    var found: [MailboxName: MailboxStatus] = [:]
    let take: (UntaggedResponse) -> Bool = { response in
      guard case .status(let name, let status) = response else { return false }
      found[name] = status
      return true
    }
    var status = try await pipeline([.notify(request)], deadline: deadline, take: take).first
    if let narrowed = request.narrowed(to: status?.code) {
      status = try await pipeline([.notify(narrowed)], deadline: deadline, take: take).first
    }
    guard let status, status.condition == .ok else {
      throw IMAPError(status ?? StatusResponse(.bad), to: "NOTIFY")
    }
    isNotifying = true
    return found
  }

  /// Ends all that `notify` asked for.
  ///
  /// After it some servers tell nothing at all, not even of the open mailbox (RFC 5465 §3.1): it is
  /// to be opened again.
  package func stopNotifying(deadline: Deadline? = nil) async throws(IMAPError) {
    guard capabilities.contains(.notify) else { return }
    try await perform(.notifyNone, deadline: deadline)
    isNotifying = false
  }
}

extension NotifyRequest {
  /// The request without the events that `BADEVENT`, which lists the known ones, does not name
  /// (RFC 5465 §3.1); nil where the refusal is another.
  fileprivate func narrowed(to code: ResponseCode?) -> NotifyRequest? {
    guard case .other("BADEVENT", let argument)? = code else { return nil }
    let known = argument.uppercased().split { "() ".contains($0) }
    var narrowed = self
    narrowed.events = events.filter { known.contains(Substring($0.rawValue.uppercased())) }
    return narrowed.events == events ? nil : narrowed
  }
}
