import Bytes

/// The name of a capability, as CAPABILITY lists it (RFC 3501 §6.1.1).
package struct IMAPCapability: RawRepresentable, Hashable, Sendable, ExpressibleByStringLiteral {
  /// The name in upper case.
  package let rawValue: String

  package init(rawValue: String) { self.rawValue = rawValue.uppercased() }
  package init(stringLiteral value: String) { self.init(rawValue: value) }

  package static let appendLimit: Self = "APPENDLIMIT"
  package static let binary: Self = "BINARY"
  package static let compressDeflate: Self = "COMPRESS=DEFLATE"
  package static let condStore: Self = "CONDSTORE"
  package static let enable: Self = "ENABLE"
  package static let esearch: Self = "ESEARCH"
  package static let gmail: Self = "X-GM-EXT-1"
  package static let id: Self = "ID"
  package static let idle: Self = "IDLE"
  package static let imap4rev1: Self = "IMAP4REV1"
  package static let imap4rev2: Self = "IMAP4REV2"
  package static let listExtended: Self = "LIST-EXTENDED"
  package static let listStatus: Self = "LIST-STATUS"
  package static let literalMinus: Self = "LITERAL-"
  package static let literalPlus: Self = "LITERAL+"
  package static let loginDisabled: Self = "LOGINDISABLED"
  package static let move: Self = "MOVE"
  package static let namespace: Self = "NAMESPACE"
  package static let notify: Self = "NOTIFY"
  package static let objectID: Self = "OBJECTID"
  package static let preview: Self = "PREVIEW"
  package static let qresync: Self = "QRESYNC"
  package static let quota: Self = "QUOTA"
  package static let saveDate: Self = "SAVEDATE"
  package static let saslInitialResponse: Self = "SASL-IR"
  package static let specialUse: Self = "SPECIAL-USE"
  package static let startTLS: Self = "STARTTLS"
  package static let statusSize: Self = "STATUS=SIZE"
  package static let uidPlus: Self = "UIDPLUS"
  package static let unselect: Self = "UNSELECT"
  package static let utf8Accept: Self = "UTF8=ACCEPT"
}

/// What a server says it can do; the list before login is often shorter than the one after.
///
///     S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN
package struct IMAPCapabilities: Hashable, Sendable {
  /// The names, in upper case.
  package private(set) var names: Set<String> = []

  /// The capabilities of `names`.
  package init(_ names: some Sequence<String> = []) {
    self.names = Set(names.map { $0.uppercased() })
  }

  /// Whether the server lists `capability`.
  package func contains(_ capability: IMAPCapability) -> Bool {
    names.contains(capability.rawValue)
  }

  /// Whether the server offers the SASL mechanism `name`, in upper case.
  package func offersMechanism(_ name: String) -> Bool { names.contains("AUTH=\(name)") }

  /// The names in alphabetical order, for showing.
  package var sortedNames: [String] { names.sorted() }

  /// The greatest message that APPEND takes, where it is the same for every mailbox (RFC 7889 §2).
  package var appendLimit: Int? {
    names.lazy.compactMap { $0.hasPrefix("APPENDLIMIT=") ? Int($0.dropFirst(12)) : nil }.first
  }

  /// The list with all that IMAP4rev2 implies (RFC 9051 §E), where it is what is spoken.
  func implied(byRev2 isRev2: Bool) -> IMAPCapabilities {
    guard isRev2 || speaksOnlyRev2 else { return self }
    var list = self
    list.names.formUnion(Self.partsOfRev2.map(\.rawValue))
    return list
  }

  /// Whether the server knows no older version.
  var speaksOnlyRev2: Bool { contains(.imap4rev2) && !contains(.imap4rev1) }

  private static let partsOfRev2: [IMAPCapability] = [
    .binary, .enable, .esearch, .idle, .listExtended, .listStatus, .literalMinus, .move,
    .namespace, .saslInitialResponse, .specialUse, .statusSize, .uidPlus, .unselect, "CHILDREN",
    "SEARCHRES",
  ]

  mutating func insert(_ name: Span<UInt8>) { names.insert(String(utf8: name).uppercased()) }
}

extension ByteReader {
  /// Reads the names after `CAPABILITY` up to the end, or up to `]` in a response code.
  mutating func capabilities() -> IMAPCapabilities {
    var capabilities = IMAPCapabilities()
    while true {
      skipBlanks()
      let range = take { $0 > 0x20 && $0 != 0x5D }
      if range.isEmpty { return capabilities }
      capabilities.insert(slice(range))
    }
  }
}
