/// `:user` and `:detail` (RFC 5233): what stands before and behind the first `+` of a local part.
extension ScriptExtension {
  static let subaddress = ScriptExtension("subaddress") { capability in
    capability.addressParts = [
      AddressPartDefinition(name: "user") { address in
        guard let local = address.localPart?.bytes else { return nil }
        guard let plus = local.firstIndex(of: 0x2B) else { return address.localPart }
        return Text([UInt8](local[..<plus]))
      },
      AddressPartDefinition(name: "detail") { address in
        guard let local = address.localPart?.bytes else { return nil }
        // RFC 5233 §4: without a separator there is no detail, not even an empty one.
        guard let plus = local.firstIndex(of: 0x2B) else { return nil }
        return Text([UInt8](local[(plus + 1)...]))
      },
    ]
  }
}
