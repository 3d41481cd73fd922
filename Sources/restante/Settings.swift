import ArgumentParser
import Bytes
import Engine
import Foundation
import Net

/// What the service runs with: a flag wins over the environment, that over the file, that over the default.
struct Settings {
  /// `HOST:PORT`, or `unix:PATH`.
  var listen = "127.0.0.1:8080"
  var dataDirectory = Self.defaultDataDirectory
  /// A libpq connection string or URI; nil runs a PostgreSQL of the service's own.
  var databaseURL: String?
  var keyFile: String?
  /// PEM certificates to trust in place of the system's; nil trusts the system's.
  var caFile: String?
  /// Networks that back ends may be in though the outbound policy refuses them.
  var allowedNetworks: [String] = []
  /// Seconds between two looks at mailboxes that nobody watches.
  var pollSeconds: Int?
  /// Seconds that a server may be silent on a watched connection before it is asked whether it is there.
  var probeSeconds: Int?
  /// Days for which the feed of changes is kept, 0 for ever; nil is the engine's default.
  var feedRetentionDays: Int?
  /// Millions of bytes that an account may keep in its local mailboxes; nil is without end.
  var quotaMegabytes: Int?
  /// How many connections to mail servers there are.
  var connections = ConnectionLimits()

  private static var defaultDataDirectory: String {
    if geteuid() == 0 { return "/var/lib/restante" }
    return NSHomeDirectory() + "/.local/share/restante"
  }

  /// The networks of `allowedNetworks`.
  func networks() throws -> [CIDR] {
    try allowedNetworks.map { text in
      guard let network = CIDR(text) else {
        throw ValidationError("\(text) is no network; write it as 192.0.2.0/24.")
      }
      return network
    }
  }

  /// The listening address; nil where `listen` is none.
  var listenAddress: SocketAddress? {
    if listen.hasPrefix("unix:") { return .unix(path: String(listen.dropFirst(5))) }
    guard let colon = listen.lastIndex(of: ":"),
      let port = UInt16(listen[listen.index(after: colon)...])
    else { return nil }
    var host = String(listen[..<colon])
    if host == "localhost" { host = "127.0.0.1" }
    if host == "*" || host.isEmpty { host = "0.0.0.0" }
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    return SocketAddress(ip: host, port: port)
  }
}

/// The flags that all commands with a database share.
struct SettingsOptions: ParsableArguments {
  @Option(name: .customLong("data"), help: "The data directory (RESTANTE_DATA).")
  var dataDirectory: String?

  @Option(help: "A JSON file with the members of the README's configuration table.")
  var config: String?

  /// The settings of these flags, the environment, the file and the defaults.
  func settings(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws
    -> Settings
  {
    var settings = Settings()
    if let config { try settings.read(file: config) }
    settings.listen = environment["RESTANTE_LISTEN"] ?? settings.listen
    settings.dataDirectory = environment["RESTANTE_DATA"] ?? settings.dataDirectory
    settings.databaseURL = environment["DATABASE_URL"] ?? settings.databaseURL
    settings.keyFile = environment["RESTANTE_KEY_FILE"] ?? settings.keyFile
    settings.caFile = environment["RESTANTE_CA_FILE"] ?? settings.caFile
    if let networks = environment["RESTANTE_ALLOW_NETWORK"] {
      settings.allowedNetworks += networks.split(separator: ",").map {
        $0.trimmingCharacters(in: .whitespaces)
      }
    }
    settings.dataDirectory = dataDirectory ?? settings.dataDirectory
    settings.dataDirectory = URL(fileURLWithPath: settings.dataDirectory).path
    if settings.databaseURL?.isEmpty == true { settings.databaseURL = nil }
    return settings
  }
}

extension Settings {
  fileprivate mutating func read(file: String) throws {
    let value: JSONValue
    do {
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
      value = try JSONReader.parse(bytes.span)
    } catch let error as JSONError {
      throw ValidationError("\(file) is not JSON. \(error.words).")
    } catch {
      throw ValidationError("\(file) cannot be read: \(error.localizedDescription)")
    }
    guard case .object(let members) = value else {
      throw ValidationError("\(file) must hold a JSON object.")
    }
    for member in members { try take(member, file) }
  }

  private mutating func take(_ member: JSONValue.Member, _ file: String) throws {
    func text() throws -> String {
      guard let text = member.value.stringValue else {
        throw ValidationError("\(file): \(member.name) must be a string.")
      }
      return text
    }
    func positive() throws -> Int {
      guard let number = member.value.intValue, (1...1_000_000).contains(number) else {
        throw ValidationError("\(file): \(member.name) must be a positive number.")
      }
      return Int(number)
    }
    switch member.name {
    case "listen": listen = try text()
    case "data": dataDirectory = try text()
    case "databaseUrl": databaseURL = try text()
    case "keyFile": keyFile = try text()
    case "caFile": caFile = try text()
    case "pollSeconds": pollSeconds = try positive()
    case "probeSeconds": probeSeconds = try positive()
    case "feedRetentionDays":
      guard let days = member.value.intValue, (0...36_500).contains(days) else {
        throw ValidationError("\(file): feedRetentionDays must be a number of days, or 0.")
      }
      feedRetentionDays = Int(days)
    case "quotaMegabytes": quotaMegabytes = try positive()
    case "connectionsPerHost": connections.perHost = try positive()
    case "connectionsPerAccount": connections.perAccount = try positive()
    case "loginsAtOnce": connections.loginsAtOnce = try positive()
    case "loginsPerSecond": connections.loginsPerSecond = try positive()
    case "allowNetwork":
      let values = member.value.arrayValue
      guard let networks = values?.compactMap(\.stringValue), networks.count == values?.count else {
        throw ValidationError("\(file): allowNetwork must be an array of networks.")
      }
      allowedNetworks += networks
    default: throw ValidationError("\(file): there is no setting called \(member.name).")
    }
  }
}
