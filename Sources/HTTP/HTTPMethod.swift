import Bytes

/// A request method (RFC 9110 §9): an open set, spelled with regard to case.
package struct HTTPMethod: RawRepresentable, Hashable, Sendable {
  /// The token as it stands in the request line.
  package let rawValue: String

  /// The method that `rawValue` spells; it is written out as it is, so it must be a token.
  package init(rawValue: String) {
    self.rawValue = rawValue
  }

  /// The method that the bytes of a token spell; names of up to 15 bytes allocate nothing.
  package init(token: Span<UInt8>) {
    self.rawValue = String(utf8: token)
  }

  package static var get: HTTPMethod { HTTPMethod(rawValue: "GET") }
  package static var head: HTTPMethod { HTTPMethod(rawValue: "HEAD") }
  package static var post: HTTPMethod { HTTPMethod(rawValue: "POST") }
  package static var put: HTTPMethod { HTTPMethod(rawValue: "PUT") }
  package static var patch: HTTPMethod { HTTPMethod(rawValue: "PATCH") }
  package static var delete: HTTPMethod { HTTPMethod(rawValue: "DELETE") }
  package static var options: HTTPMethod { HTTPMethod(rawValue: "OPTIONS") }
  package static var connect: HTTPMethod { HTTPMethod(rawValue: "CONNECT") }
  package static var trace: HTTPMethod { HTTPMethod(rawValue: "TRACE") }
}

extension HTTPMethod: CustomStringConvertible {
  package var description: String { rawValue }
}
