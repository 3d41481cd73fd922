import Foundation

/// How the kernel finds out that the other side of a silent connection is gone (RFC 9293 §3.8.4).
package struct KeepAlive: Sendable {
  /// How long a connection may be silent before the kernel asks.
  package var idle: Duration = .seconds(120)
  /// Between two questions that nobody answered.
  package var interval: Duration = .seconds(15)
  /// How many of them there are.
  package var count: Int32 = 4
  /// How long sent bytes may stay without acknowledgement (TCP_USER_TIMEOUT); else some 15 minutes.
  package var userTimeout: Duration = .seconds(60)

  /// The defaults that stand at each member.
  package init() {}
}

extension SocketStream {
  /// Lets the kernel watch over the connection; a socket that is not TCP is left alone.
  package func keepAlive(_ settings: KeepAlive) {
    guard remoteAddress?.port != nil else { return }
    let (descriptor, tcp) = (channel.descriptor, Int32(IPPROTO_TCP))
    Sockets.set(SO_KEEPALIVE, at: SOL_SOCKET, on: descriptor)
    let options = [
      (TCP_KEEPIDLE, settings.idle.wholeSeconds), (TCP_KEEPINTVL, settings.interval.wholeSeconds),
      (TCP_KEEPCNT, settings.count),
      (TCP_USER_TIMEOUT, settings.userTimeout.millisecondsRoundedUp),
    ]
    for (option, value) in options { Sockets.set(option, at: tcp, on: descriptor, to: value) }
  }
}

extension Duration {
  /// The duration as TCP's options take it: at least a second.
  fileprivate var wholeSeconds: Int32 { Int32(clamping: max(components.seconds, 1)) }
}
