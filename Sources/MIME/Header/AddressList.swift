import Bytes

/// The addresses of an address-list field body, the members of groups among them.
package func parseAddressList(_ bytes: Span<UInt8>) -> [Address] {
  AddressList.parse(bytes).flatMap { item in
    switch item {
    case .address(let address): [address]
    case .group(let group): group.addresses
    }
  }
}

/// The grammar of address lists (RFC 5322 §3.4 and §4.4), read without ever failing.
package enum AddressList {
  /// The mailboxes and groups of an address-list field body.
  package static func parse(_ bytes: Span<UInt8>) -> [AddressOrGroup] {
    []
  }
}
