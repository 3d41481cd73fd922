/// The parts of addresses that the core language names (RFC 5228 §2.7.4).
extension ScriptExtension {
  static let coreAddressParts = ScriptExtension("address-parts") { core in
    core.addressParts = [
      .all,
      AddressPartDefinition(name: "localpart") { $0.localPart },
      AddressPartDefinition(name: "domain") { $0.domain },
    ]
  }
}

extension AddressPartDefinition {
  static let all = AddressPartDefinition(name: "all") { $0.all }
}
