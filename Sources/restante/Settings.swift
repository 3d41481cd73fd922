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
  /// Where mail is taken by SMTP and by LMTP; nil takes none.
  var smtpListen: String?
  var lmtpListen: String?
  /// PEM files with the certificate that the SMTP listener shows, and its key; without them there is no signing in.
  var tlsCertificate: String?
  var tlsKey: String?
  /// What the listeners call themselves; nil is the machine's name.
  var mailHost: String?
  /// The address or the id of the account that gets the postmaster's mail; nil is the oldest of the domain.
  var postmaster: String?
  /// Networks that may send by SMTP without signing in.
  var relayNetworks: [String] = []
  /// Milliseconds for which the SMTP greeting waits for those who speak before it.
  var greetDelayMilliseconds: Int?
  /// How many SMTP connections one address may have.
  var smtpConnectionsPerAddress: Int?
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

  /// The networks that `texts` write.
  static func networks(_ texts: [String]) throws -> [CIDR] {
    try texts.map { text in
      guard let network = CIDR(text) else {
        throw ValidationError("\(text) is no network; write it as 192.0.2.0/24.")
      }
      return network
    }
  }

  /// The address that `listen` writes, `HOST:PORT` or `unix:PATH`; nil where it is none.
  static func address(_ listen: String) -> SocketAddress? {
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

extension Settings {
  /// The address that `text` writes.
  func address(_ text: String) throws -> SocketAddress {
    guard let address = Self.address(text) else {
      throw ValidationError("\(text) is no address; write HOST:PORT with a literal IP.")
    }
    return address
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
    settings.smtpListen = environment["RESTANTE_SMTP_LISTEN"] ?? settings.smtpListen
    settings.lmtpListen = environment["RESTANTE_LMTP_LISTEN"] ?? settings.lmtpListen
    settings.tlsCertificate = environment["RESTANTE_TLS_CERTIFICATE"] ?? settings.tlsCertificate
    settings.tlsKey = environment["RESTANTE_TLS_KEY"] ?? settings.tlsKey
    settings.mailHost = environment["RESTANTE_MAIL_HOST"] ?? settings.mailHost
    settings.postmaster = environment["RESTANTE_POSTMASTER"] ?? settings.postmaster
    settings.allowedNetworks += Self.list(environment["RESTANTE_ALLOW_NETWORK"])
    settings.relayNetworks += Self.list(environment["RESTANTE_RELAY_NETWORK"])
    settings.dataDirectory = dataDirectory ?? settings.dataDirectory
    settings.dataDirectory = URL(fileURLWithPath: settings.dataDirectory).path
    if settings.databaseURL?.isEmpty == true { settings.databaseURL = nil }
    return settings
  }

  /// What stands between the commas of a variable.
  private static func list(_ variable: String?) -> [String] {
    (variable ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
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
    func networks() throws -> [String] {
      let values = member.value.arrayValue
      guard let networks = values?.compactMap(\.stringValue), networks.count == values?.count else {
        throw ValidationError("\(file): \(member.name) must be an array of networks.")
      }
      return networks
    }
    switch member.name {
    case "listen": listen = try text()
    case "smtpListen": smtpListen = try text()
    case "lmtpListen": lmtpListen = try text()
    case "tlsCertificate": tlsCertificate = try text()
    case "tlsKey": tlsKey = try text()
    case "mailHost": mailHost = try text()
    case "postmaster": postmaster = try text()
    case "greetDelayMilliseconds": greetDelayMilliseconds = try positive()
    case "smtpConnectionsPerAddress": smtpConnectionsPerAddress = try positive()
    case "relayNetwork": relayNetworks += try networks()
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
    case "allowNetwork": allowedNetworks += try networks()
    default: throw ValidationError("\(file): there is no setting called \(member.name).")
    }
  }
}
