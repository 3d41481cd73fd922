import CLinux

/// What a descriptor is ready for.
package struct Readiness: OptionSet, Sendable {
  package let rawValue: UInt8

  package init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// A read will not block: there are bytes, the end, or an error to fetch.
  package static let readable = Readiness(rawValue: 1)
  /// A write will not block.
  package static let writable = Readiness(rawValue: 2)
  /// The peer has shut down its side, or the connection is broken.
  package static let hangup = Readiness(rawValue: 4)

  /// An error or a hangup makes both directions ready, so that whoever waits learns of it.
  init(events: UInt32) {
    var readiness: Readiness = []
    let broken = RESTANTE_EPOLLERR | RESTANTE_EPOLLHUP
    if events & (RESTANTE_EPOLLIN | RESTANTE_EPOLLRDHUP | broken) != 0 {
      readiness.insert(.readable)
    }
    if events & (RESTANTE_EPOLLOUT | broken) != 0 { readiness.insert(.writable) }
    if events & (RESTANTE_EPOLLRDHUP | broken) != 0 { readiness.insert(.hangup) }
    self = readiness
  }
}
