import MailProtocols
import MailTransport
import Model
import Store

/// Finds out which mailboxes other clients renamed since the last pass, so that they keep their ids.
///
/// MAILBOXID tells it (RFC 8474 §4). Elsewhere a mailbox that appears with the UIDVALIDITY of one that is
/// gone is that one where it holds the same messages under the same UIDs: RFC 3501 does not ask servers to
/// keep both over a RENAME, but where they do, UIDs still mean what they meant. Two mailboxes may have
/// changed their names with one another, and a new one may have the name of one that was renamed.
struct MailboxRenames {
  let client: IMAPClient
  let store: Store

  /// A mailbox that was listed is not there any more.
  struct OutdatedList: Error {}

  /// A mailbox on the server that is not the one known under its name.
  private struct Appeared {
    var name: MailboxName
    var encodedName: String
    var status: MailboxStatus
  }

  /// How many of the oldest and of the newest messages are compared.
  private static let samples = 4
  /// From here on UIDVALIDITY is taken for a time (RFC 3501 §2.3.1.1), and not for a constant that says nothing.
  static let firstTime: Int64 = 100_000_000

  /// What became of the mailboxes that are not listed by the names they were known by.
  struct Found {
    /// The names by which the server lists them now.
    var renamed: [ID<Mailbox>: String] = [:]
    /// Those that no name was found for.
    var missing: Set<ID<Mailbox>> = []
  }

  /// The names by which the server lists mailboxes that were `known` by others.
  ///
  /// Of those that are `unclear` the server says that it cannot tell just now.
  ///
  /// A mailbox that was listed and cannot be opened is taken for another one if it `believes` the list;
  /// else it throws `OutdatedList`.
  func find(
    _ listed: [ListedMailbox],
    _ statuses: [MailboxName: MailboxStatus],
    known: [Mailbox],
    unclear: Set<MailboxName>,
    believes: Bool
  ) async throws -> Found {
    let byName = Dictionary(known.map { ($0.encodedName, $0) }) { first, _ in first }
    var staying: Set<ID<Mailbox>> = []
    var appeared: [Appeared] = []
    for mailbox in listed {
      let encodedName = mailbox.name.stored
      let status = statuses[mailbox.name] ?? MailboxStatus()
      if let same = byName[encodedName],
        mailbox.name == .inbox || !mailbox.isSelectable || same.isPossibly(status)
      {
        staying.insert(same.id)
      } else if mailbox.isSelectable {
        appeared.append(Appeared(name: mailbox.name, encodedName: encodedName, status: status))
      }
    }
    var missing = known.filter { $0.uidValidity != nil && !staying.contains($0.id) }
    if !believes, !appeared.isEmpty || !missing.isEmpty {
      let stayed = known.filter { staying.contains($0.id) }
      // What cannot be looked at may be what another was renamed to.
      guard missing.isEmpty || !appeared.contains(where: { unclear.contains($0.name) }) else {
        throw OutdatedList()
      }
      let told = listed.filter { !unclear.contains($0.name) }
      guard Self.isOfOneMoment(told, statuses, appeared, staying: stayed) else {
        throw OutdatedList()
      }
    }
    var found = Found()
    for mailbox in appeared where !missing.isEmpty {
      guard let same = try await match(mailbox, among: missing, believes) else { continue }
      // A name that has changed nothing but its UIDVALIDITY is no rename.
      if byName[mailbox.encodedName]?.id != same.id { found.renamed[same.id] = mailbox.encodedName }
      missing.removeAll { $0.id == same.id }
    }
    let names = Set(listed.map(\.name.stored))
    found.missing = Set(missing.filter { !names.contains($0.encodedName) }.map(\.id))
    return found
  }

  /// Whether nothing says that a mailbox was renamed while the server told of it.
  ///
  /// Such a one may have been listed by both its names, or had gone when its STATUS was asked for. A STATUS without UIDVALIDITY is an
  /// answer too, and no other connection would get a better one.
  private static func isOfOneMoment(
    _ listed: [ListedMailbox],
    _ statuses: [MailboxName: MailboxStatus],
    _ appeared: [Appeared],
    staying: [Mailbox]
  ) -> Bool {
    let others = Set(staying.compactMap(\.uidValidity).filter { $0 >= firstTime })
    return listed.allSatisfy { !$0.isSelectable || statuses[$0.name] != nil }
      && appeared.allSatisfy { mailbox in
        !others.contains(mailbox.status.uidValidity.map { Int64($0.value) } ?? 0)
      }
  }

  private func match(
    _ appeared: Appeared,
    among missing: [Mailbox],
    _ believes: Bool
  ) async throws -> Mailbox? {
    if let objectID = appeared.status.mailboxID,
      let found = missing.first(where: { $0.objectID == objectID })
    {
      return found
    }
    guard let uidValidity = appeared.status.uidValidity.map({ Int64($0.value) }) else { return nil }
    let possible = missing.filter { mailbox in
      mailbox.uidValidity == uidValidity
        && (mailbox.objectID == nil || appeared.status.mailboxID == nil)
    }
    let uidNext = appeared.status.uidNext.map { Int64($0.value) } ?? .max
    let candidates = possible.filter { uidNext >= ($0.uidNext ?? 1) }
    for mailbox in candidates {
      do {
        if try await holds(appeared, mailbox, isOnlyOne: candidates.count == 1) { return mailbox }
      } catch IMAPError.refused where believes {
        continue
      } catch IMAPError.refused {
        throw OutdatedList()
      }
    }
    // Whose UIDVALIDITY says that it is one of these, and what it holds does not, may have been told of two moments.
    guard believes || possible.isEmpty || uidValidity < Self.firstTime else { throw OutdatedList() }
    return nil
  }

  /// Whether the server has under the new name what is known of `mailbox`, by some of its messages.
  ///
  /// Where none of those is left, or none was known, its UIDVALIDITY alone decides.
  private func holds(
    _ appeared: Appeared,
    _ mailbox: Mailbox,
    isOnlyOne: Bool
  ) async throws -> Bool {
    let samples = try await store.sampleIdentities(of: mailbox, count: Self.samples)
    if !samples.isEmpty {
      try await client.examine(appeared.name)
      let uids = UIDSet(samples.keys.map { UID(UInt32(clamping: $0)) }.sorted())
      let fetch = client.fetch(uids, .identity)
      var agreeing = 0
      while let batch = try await fetch.next() {
        for message in batch {
          guard let uid = message.uid, let known = samples[Int64(uid.value)], !message.isHollow
          else { continue }
          guard NewMessage.identity(of: message) == known else { return false }
          agreeing += 1
        }
      }
      if agreeing > 0 { return true }
    }
    return isOnlyOne && (mailbox.uidValidity ?? 0) >= Self.firstTime
  }
}

extension Mailbox {
  /// Whether a mailbox of this name with `status` can be the one that is known.
  fileprivate func isPossibly(_ status: MailboxStatus) -> Bool {
    if let objectID, let told = status.mailboxID { return objectID == told }
    guard let uidValidity, let told = status.uidValidity else { return true }
    return uidValidity == Int64(told.value)
  }
}
