/// A range of IP addresses, such as `10.0.0.0/8` or `fd00::/8`.
package struct CIDR: Hashable, Sendable {
  private let isIPv4: Bool
  private let bits: UInt128
  private let mask: UInt128

  /// The range that `text` writes; a lone address is a range of one.
  ///
  /// Bits past the prefix are dropped.
  package init?(_ text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = SocketAddress(ip: String(first), port: 0),
      let base = IPBits(address)
    else { return nil }
    // A mapped range is written with IPv6 prefix lengths.
    var isMapped = false
    if case .ipv6 = address { isMapped = base.isIPv4 }
    let width = base.isIPv4 ? 32 : 128
    var length = width
    if parts.count == 2 {
      let digits = parts[1]
      guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
        let written = Int(digits)
      else { return nil }
      length = isMapped ? written - 96 : written
    }
    guard (0...width).contains(length) else { return nil }
    let ones = length == 0 ? 0 : ~UInt128(0) << UInt128(width - length)
    isIPv4 = base.isIPv4
    mask = ones
    bits = base.bits & ones
  }

  /// Whether the address lies in the range; an IPv4-mapped IPv6 address counts as the IPv4 one.
  package func contains(_ address: SocketAddress) -> Bool {
    guard let address = IPBits(address), address.isIPv4 == isIPv4 else { return false }
    return address.bits & mask == bits
  }
}

/// An address as a number, with mapped and translated IPv4 addresses as what they stand for.
private struct IPBits {
  let isIPv4: Bool
  let bits: UInt128

  init?(_ address: SocketAddress) {
    switch address {
    case .ipv4(let bits, _):
      isIPv4 = true
      self.bits = UInt128(bits)
    case .ipv6(let bits, _, _):
      isIPv4 = bits >> 32 == 0xffff
      self.bits = isIPv4 ? bits & 0xffff_ffff : bits
    case .unix:
      return nil
    }
  }
}

/// Which addresses the service may connect to on a user's behalf.
///
/// What is not on the public Internet is refused unless it is named: else an account or a webhook
/// could be pointed at the machine's own services. Checked on the resolved address, never on the name.
package struct OutboundPolicy: Sendable {
  private let allowed: [CIDR]

  /// A policy that also permits the `allowed` ranges.
  package init(allowed: [CIDR] = []) {
    self.allowed = allowed
  }

  /// Whether a connection to `address` may be made; a Unix socket is not outbound, and may.
  package func permits(_ address: SocketAddress) -> Bool {
    if case .unix = address { return true }
    if allowed.contains(where: { $0.contains(address) }) { return true }
    if OutboundPolicy.closed.contains(where: { $0.contains(address) }) { return false }
    guard let inner = address.embeddedIPv4 else { return true }
    return permits(inner)
  }

  /// What is not public (RFC 6890 and the IANA special-purpose registries).
  private static let closed: [CIDR] = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128", "::1/128", "64:ff9b:1::/48", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
  ].compactMap { CIDR($0) }
}

extension SocketAddress {
  /// The IPv4 address that a gateway would make of this one: NAT64, 6to4, IPv4-compatible.
  fileprivate var embeddedIPv4: SocketAddress? {
    guard case .ipv6(let bits, let port, _) = self else { return nil }
    if bits >> 32 == 0x64_ff9b << 64 || bits >> 32 == 0 {
      return .ipv4(UInt32(truncatingIfNeeded: bits), port: port)
    }
    if bits >> 112 == 0x2002 { return .ipv4(UInt32(truncatingIfNeeded: bits >> 80), port: port) }
    return nil
  }
}
