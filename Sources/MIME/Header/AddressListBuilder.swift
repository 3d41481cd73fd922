/// The items of an address list as they are read.
struct AddressListBuilder {
  private(set) var items: [AddressOrGroup] = []
  private var group: AddressGroup?

  mutating func add(_ addresses: [Address]) {
    if group != nil {
      group?.addresses += addresses
    } else {
      items += addresses.map(AddressOrGroup.address)
    }
  }

  /// Opens a group; one that is open ends, for groups do not nest.
  mutating func startGroup(_ name: String) {
    endGroup()
    group = AddressGroup(name: name, addresses: [])
  }

  mutating func endGroup() {
    if let group { items.append(.group(group)) }
    group = nil
  }

  /// Names the last address by a comment behind it, if it has no name.
  mutating func nameLast(_ name: String?) {
    guard let name else { return }
    if let last = group?.addresses.indices.last {
      if group?.addresses[last].name == nil { group?.addresses[last].name = name }
    } else if group == nil, case .address(var address) = items.last, address.name == nil {
      address.name = name
      items[items.count - 1] = .address(address)
    }
  }
}
