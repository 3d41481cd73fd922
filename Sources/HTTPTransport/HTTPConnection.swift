/// Placeholder until the driver lands.
final class HTTPConnection {
  func nextBodyBytes() async throws(HTTPBodyError) -> [UInt8]? { nil }
}
