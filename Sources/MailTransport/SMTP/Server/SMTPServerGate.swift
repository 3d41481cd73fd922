import MailProtocols
import Net
import Synchronization

/// Counts what the connections of a listener take together.
final class SMTPServerGate: Sendable {
  private struct Counts {
    var connections = 0
    var byAddress: [String: Int] = [:]
    var bytes = 0
  }

  private let limits: SMTPServerLimits
  private let counts = Mutex(Counts())

  init(limits: SMTPServerLimits) {
    self.limits = limits
  }

  /// Counts a connection; whether there is room for it.
  func enter(_ address: SocketAddress?) -> Bool {
    counts.withLock { counts in
      counts.connections += 1
      var isWelcome = counts.connections <= limits.connections
      if let key = Self.key(address) {
        counts.byAddress[key, default: 0] += 1
        if counts.byAddress[key, default: 0] > limits.connectionsPerAddress { isWelcome = false }
      }
      return isWelcome
    }
  }

  /// Counts a connection as gone.
  func leave(_ address: SocketAddress?) {
    counts.withLock { counts in
      counts.connections -= 1
      if let key = Self.key(address), let count = counts.byAddress[key] {
        counts.byAddress[key] = count > 1 ? count - 1 : nil
      }
    }
  }

  /// Takes room for `count` bytes of a message; false where there is none.
  func takeBytes(_ count: Int) -> Bool {
    counts.withLock { counts in
      guard counts.bytes + count <= limits.bytesUnderWay else { return false }
      counts.bytes += count
      return true
    }
  }

  /// Gives room back.
  func giveBytes(_ count: Int) {
    counts.withLock { $0.bytes -= count }
  }

  /// An IPv6 host has a network of 64 bits to itself, so that is what is counted.
  private static func key(_ address: SocketAddress?) -> String? {
    switch address {
    case .ipv4(let bits, _): "4 \(bits)"
    case .ipv6(let bits, _, _): "6 \(bits >> 64)"
    case .unix, nil: nil
    }
  }
}
