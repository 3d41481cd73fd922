import CPostgres
import Glibc

/// A connection string as libpq reads it.
struct ConnectionInfo: Sendable {
  private let text: String
  /// Whether connecting may ask a name server, which blocks.
  let needsResolver: Bool

  /// Reads a connection string or URI; nil, with the reason thrown, where libpq does not take it.
  init(_ text: String) throws(PostgresError) {
    self.text = text
    needsResolver = try Self.needsResolver(text)
  }

  /// Begins to connect without waiting; nil when out of memory.
  func start() -> OpaquePointer? {
    // What stands before `dbname`, which holds the whole string, can be overridden by it.
    let options: [(String, String)] = [
      ("fallback_application_name", "restante"), ("keepalives_idle", "30"),
      ("keepalives_interval", "10"), ("keepalives_count", "3"), ("dbname", text),
      ("client_encoding", "UTF8"),
    ]
    let copies = unsafe options.map { unsafe (strdup($0.0), strdup($0.1)) }
    defer {
      unsafe copies.forEach { copy in
        unsafe free(copy.0)
        unsafe free(copy.1)
      }
    }
    let keys: [UnsafePointer<CChar>?] = unsafe copies.map { unsafe UnsafePointer($0.0) } + [nil]
    let values: [UnsafePointer<CChar>?] = unsafe copies.map { unsafe UnsafePointer($0.1) } + [nil]
    return unsafe PQconnectStartParams(keys, values, 1)
  }

  private static func needsResolver(_ text: String) throws(PostgresError) -> Bool {
    var message: UnsafeMutablePointer<CChar>?
    guard let options = unsafe PQconninfoParse(text, &message) else {
      defer { unsafe PQfreemem(message) }
      // libpq quotes what it does not understand, which may be a password: keep that to ourselves.
      throw .unavailable(reason: "the connection string is not one that libpq understands")
    }
    defer { unsafe PQconninfoFree(options) }
    if unsafe !value("hostaddr", in: options).isEmpty { return false }
    if unsafe !value("service", in: options).isEmpty { return true }
    var hosts = unsafe value("host", in: options)
    if hosts.isEmpty, let environment = unsafe getenv("PGHOST") {
      hosts = unsafe String(cString: environment)
    }
    return !hosts.split(separator: ",").allSatisfy { isLocalOrAddress(String($0)) }
  }

  private static func value(
    _ keyword: String,
    in options: UnsafeMutablePointer<PQconninfoOption>
  ) -> String {
    var option = unsafe options
    while let name = unsafe option.pointee.keyword {
      if unsafe String(cString: name) == keyword {
        return unsafe option.pointee.val.map { unsafe String(cString: $0) } ?? ""
      }
      unsafe option += 1
    }
    return ""
  }

  private static func isLocalOrAddress(_ host: String) -> Bool {
    if host.hasPrefix("/") || host.hasPrefix("@") { return true }
    var address = in6_addr()
    return unsafe inet_pton(AF_INET, host, &address) == 1
      || inet_pton(AF_INET6, host, &address) == 1
  }
}
