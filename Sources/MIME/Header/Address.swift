/// A mailbox of an address list (RFC 5322 §3.4), decoded: the `EmailAddress` of RFC 8621 §4.1.2.3.
package struct Address: Hashable, Sendable {
  /// The display name, decoded; nil where the list gives none.
  package var name: String?
  /// The addr-spec; a broken list may give one without `@`, or an empty one.
  package var email: String

  /// An address of a decoded display name and an addr-spec.
  package init(name: String? = nil, email: String) {
    self.name = name
    self.email = email
  }
}

/// A named list of addresses (RFC 5322 §3.4 `group`), such as `undisclosed-recipients:;`.
package struct AddressGroup: Hashable, Sendable {
  /// The display name, decoded.
  package var name: String
  /// The members, of which there may be none.
  package var addresses: [Address]

  /// A group of a decoded display name and its members.
  package init(name: String, addresses: [Address]) {
    self.name = name
    self.addresses = addresses
  }
}

/// One item of an address list: a mailbox, or a group of them.
package enum AddressOrGroup: Hashable, Sendable {
  case address(Address)
  case group(AddressGroup)
}
