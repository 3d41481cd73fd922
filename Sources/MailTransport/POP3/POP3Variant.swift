/// Which of POP3's family is spoken; each but the first only where the user asks for it.
package enum POP3Variant: Hashable, Sendable {
  /// POP3 as RFC 1939 and its extensions have it.
  case standard
  /// RPOP in place of PASS (RFC 1225), from a reserved port: the server trusts this machine to tell who
  /// its users are. `userID` is the user on this machine; the user name of the mailbox where it is nil.
  case rpop(userID: String?)
  /// KPOP: Kerberos before the greeting, on a port of its own (1109), and then POP3.
  case kpop(KerberosTicket)
}

/// The default port of KPOP, where POP3 has 110.
package let kpopPort: UInt16 = 1109
