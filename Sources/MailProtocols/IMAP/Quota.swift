import Bytes

/// What a quota root limits, and how much of it is used (RFC 9208 §4.2, RFC 2087 §5.1).
///
///     S: * QUOTAROOT INBOX "User quota"
///     S: * QUOTA "User quota" (STORAGE 10 512 MESSAGE 3 1000)
package struct Quota: Hashable, Sendable {
  /// One thing that is limited.
  package struct Resource: Hashable, Sendable {
    /// `STORAGE`, in units of 1024 bytes, `MESSAGE`, `MAILBOX` or another, in upper case.
    package var name: String
    package var usage: UInt64
    package var limit: UInt64

    /// `usage` of `limit`.
    package init(name: String, usage: UInt64, limit: UInt64) {
      self.name = name
      self.usage = usage
      self.limit = limit
    }
  }

  /// The name of the root, which may be empty.
  package var root: String
  package var resources: [Resource] = []

  /// The quota of `root`.
  package init(root: String, resources: [Resource] = []) {
    self.root = root
    self.resources = resources
  }

  /// The bytes used and allowed, where that is limited.
  package var storage: (usage: UInt64, limit: UInt64)? {
    resources.first { $0.name == "STORAGE" }.map {
      (Self.bytes($0.usage), Self.bytes($0.limit))
    }
  }

  private static func bytes(_ units: UInt64) -> UInt64 {
    let (bytes, overflowed) = units.multipliedReportingOverflow(by: 1024)
    return overflowed ? .max : bytes
  }
}

extension IMAPCommand {
  /// GETQUOTAROOT (RFC 9208 §4.1.2): the roots of a mailbox, and the quota of each.
  package static func quotas(of mailbox: MailboxName) -> IMAPCommand {
    IMAPCommand("GETQUOTAROOT") {
      $0.text(" ")
      $0.mailbox(mailbox)
    }
  }
}

extension ByteReader {
  /// Reads what follows `QUOTA`.
  mutating func requireQuota() throws(IMAPSyntaxError) -> Quota {
    let root = try requireNString() ?? []
    var quota = Quota(root: String(utf8: root.span))
    skipBlanks()
    if isAtEnd { return quota }  // Leniency `missingQuotaList`: nothing is limited.
    try require(0x28, "quota-list")
    while true {
      skipBlanks()
      if consume(0x29) { return quota }
      let name = try requireAString()
      skipBlanks()
      let usage = try requireQuotaNumber()
      skipBlanks()
      let limit = try requireQuotaNumber()
      quota.resources.append(
        .init(name: String(utf8: name.span).uppercased(), usage: usage, limit: limit)
      )
    }
  }

  private mutating func requireQuotaNumber() throws(IMAPSyntaxError) -> UInt64 {
    guard let number = number() else { throw syntaxError("quota-resource") }
    return number
  }

  /// Reads what follows `QUOTAROOT`: the mailbox and its roots.
  mutating func requireQuotaRoots() throws(IMAPSyntaxError) -> (MailboxName, [String]) {
    let name = MailboxName(encoded: try requireAString())
    var roots: [String] = []
    while true {
      skipBlanks()
      if isAtEnd { return (name, roots) }
      let root = try requireAString()
      roots.append(String(utf8: root.span))
    }
  }
}
