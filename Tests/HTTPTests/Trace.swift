import Bytes
import HTTP

/// What a connection made of some bytes, in a form that is easy to compare.
struct Trace: Equatable, CustomStringConvertible {
  /// One request, whole or not.
  struct Request: Equatable {
    var line: String
    var body: [UInt8] = []
    var isWhole = false
  }

  var requests: [Request] = []
  var failure: Int?

  /// Feeds `wire` in pieces of `size` bytes, answering each request as soon as it is whole.
  init(_ wire: [UInt8], piece size: Int = .max, limits: HTTPLimits = HTTPLimits()) {
    var connection = HTTPServerConnection(limits: limits)
    var offset = 0
    while offset < wire.count {
      let end = min(wire.count, offset + min(size, wire.count))
      connection.receive(Array(wire[offset..<end]))
      offset = end
      drain(&connection)
    }
  }

  /// Feeds `wire` in two pieces, cut at `cut`.
  init(_ wire: [UInt8], cutAt cut: Int, limits: HTTPLimits = HTTPLimits()) {
    var connection = HTTPServerConnection(limits: limits)
    for part in [wire[..<cut], wire[cut...]] where !part.isEmpty {
      connection.receive(Array(part))
      drain(&connection)
    }
  }

  init(_ text: String, limits: HTTPLimits = HTTPLimits()) {
    self.init(Array(text.utf8), limits: limits)
  }

  /// How many requests were whole.
  var whole: Int { requests.count { $0.isWhole } }

  var description: String {
    let lines = requests.map {
      "\($0.line) \"\(String(utf8: $0.body.span))\"\($0.isWhole ? "" : " …")"
    }
    return (lines + (failure.map { ["failed \($0)"] } ?? [])).joined(separator: " | ")
  }

  private mutating func drain(_ connection: inout HTTPServerConnection) {
    while let event = connection.next() {
      switch event {
      case .head(let head):
        requests.append(Request(line: "\(head.method) \(String(utf8: head.target.span))"))
      case .body(let bytes):
        requests[requests.count - 1].body += bytes
      case .end:
        requests[requests.count - 1].isWhole = true
        connection.startNextRequest()
      case .failed(let error):
        failure = error.status.rawValue
      }
    }
  }
}

/// The head that `text` begins with.
func parsedHead(_ text: String) -> RequestHead? {
  var connection = HTTPServerConnection()
  connection.receive(Array(text.utf8))
  guard case .head(let head) = connection.next() else { return nil }
  return head
}
