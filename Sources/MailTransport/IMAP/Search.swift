package import MailProtocols
package import Net

extension IMAPClient {
  /// The messages of the selected mailbox that match `criteria`.
  ///
  /// An OK without the SEARCH response, which RFC 3501 §6.4.4 requires, or with one that does not parse,
  /// is no answer: only of an empty mailbox does it say that nothing was found. Of others it is refused as what may be told later.
  ///
  /// Texts go in UTF-8. A server that knows no UTF-8 (RFC 3501 asks for US-ASCII alone) gets what fits in
  /// ISO-8859-1, which those that have another charset have.
  package func search(
    _ criteria: SearchCriteria,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> UIDSet {
    do throws(IMAPError) {
      return try await search(criteria, in: .utf8, deadline)
    } catch {
      guard case .refused(_, _, .other("BADCHARSET", _)?) = error, criteria.needsCharset,
        criteria.fits(.latin1)
      else { throw error }
      return try await search(criteria, in: .latin1, deadline)
    }
  }

  private func search(
    _ criteria: SearchCriteria,
    in charset: SearchCharset,
    _ deadline: Deadline?
  ) async throws(IMAPError) -> UIDSet {
    // Leniency `searchInParts`: servers may tell a long result in several responses.
    var found: UIDSet?
    let command = IMAPCommand.search(
      criteria,
      extended: capabilities.contains(.esearch),
      charset: charset
    )
    try await perform(command, deadline: deadline) { response in
      guard case .search(let uids) = response else { return false }
      found = found ?? UIDSet()
      found?.formUnion(uids)
      return true
    }
    if found == nil, selected?.exists == 0 { found = UIDSet() }
    guard let found else {
      throw .refused(
        command: command.name,
        response: "The server told no result.",
        code: .other(name: "UNAVAILABLE", argument: "")
      )
    }
    return found
  }
}
