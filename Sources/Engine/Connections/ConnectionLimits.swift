/// How many connections to mail servers the service has and makes.
///
/// These are what it allows itself. A server that allows less is noticed by its refusals, and gets less
/// until it has been left alone for a while.
package struct ConnectionLimits: Sendable {
  /// How many connections one server, a host name and a port, has from all accounts together.
  package var perHost = 10_000
  /// How many connections one account has: one for commands, one that watches, the rest for bodies.
  package var perAccount = 5
  /// How many connections to one server are being made and logged in at once.
  package var loginsAtOnce = 16
  /// How many logins a second begin at one server, once `loginsAtOnce` began together.
  package var loginsPerSecond = 100
  /// How long a server that turned us away before a login is left alone; doubled by each further time.
  package var firstRest: Duration = .seconds(1)
  /// The longest such rest.
  package var longestRest: Duration = .seconds(120)
  /// After how long one more connection is tried than a server allowed; doubled by each refusal.
  package var firstRecovery: Duration = .seconds(300)
  /// The longest such time.
  package var longestRecovery: Duration = .seconds(2 * 3600)

  /// The defaults that stand at each member.
  package init() {}
}
