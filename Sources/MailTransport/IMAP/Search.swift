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
    var found: [UIDSet] = []
    var count = 0
    let command = IMAPCommand.search(
      criteria,
      extended: capabilities.contains(.esearch),
      charset: charset
    )
    try await perform(command, deadline: deadline) { response in
      guard case .search(let uids) = response else { return false }
      // What is beyond the limit of one is a fault of the server's, and forgotten.
      count += uids.ranges.count + 1
      if count <= limits.searchResults + 1 { found.append(uids) }
      return true
    }
    if found.isEmpty, selected?.exists == 0 { return UIDSet() }
    guard count <= limits.searchResults + 1 else {
      throw fail(.limitExceeded(limit: "\(limits.searchResults) results of a search"))
    }
    guard !found.isEmpty else {
      throw .refused(
        command: command.name,
        response: "The server told no result.",
        code: .other(name: "UNAVAILABLE", argument: "")
      )
    }
    return UIDSet(unionOf: found)
  }
}
