import Glibc
import HTTP
import Net

/// The connections of one loop, and what they share.
final class HTTPLane: @unchecked Sendable {  // Confined to its loop, but for `loop` itself.
  let loop: EventLoop
  private(set) var isDraining = false
  private var connections: [ObjectIdentifier: HTTPConnection] = [:]
  private var dateSecond = Int64.min
  private var dateText: [UInt8] = []

  init(loop: EventLoop) {
    self.loop = loop
  }

  /// The value of the `Date` field now, made once a second.
  func date() -> [UInt8] {
    let second = Int64(time(nil))
    if second != dateSecond {
      dateSecond = second
      dateText = HTTPDate.format(second)
    }
    return dateText
  }

  /// Serves a connection to its end, on this lane's loop.
  func serve(_ connection: HTTPConnection) async {
    connections[ObjectIdentifier(connection)] = connection
    await connection.run()
    connections[ObjectIdentifier(connection)] = nil
  }

  /// Closes the connections that are idle; the others close after the reply that is under way.
  func drain() {
    isDraining = true
    for connection in connections.values where connection.isIdle {
      connection.stream.close()
    }
  }
}
