package import MailProtocols
package import Net

extension IMAPClient {
  /// Adds or removes flags of the messages `uids`; those that are gone are passed over in silence.
  package func store(
    _ uids: UIDSet,
    _ change: StoreChange,
    _ flags: [Flag],
    deadline: Deadline? = nil
  ) async throws(IMAPError) {
    guard !uids.isEmpty, !flags.isEmpty || change == .replace else { return }
    try await perform(.store(uids, change, flags, silent: true), deadline: deadline)
  }

  /// Several changes of flags in one write, and how each ended.
  package func store(
    _ changes: [(uids: UIDSet, change: StoreChange, flags: [Flag])],
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> [StatusResponse] {
    let commands = changes.map { IMAPCommand.store($0.uids, $0.change, $0.flags, silent: true) }
    return try await pipeline(commands, deadline: deadline)
  }
}
