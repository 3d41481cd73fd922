import CKerberos
import Foundation

/// The server's side of KPOP's handshake, by libkrb5's own `krb5_recvauth`.
enum KPOPFront {
  /// Who is at the other end of a blocking socket; nil where nobody has proven anything.
  static func client(on descriptor: Int32, of realm: KerberosRealm) -> String? {
    guard let context = unsafe context(realm) else { return nil }
    defer { unsafe krb5_free_context(context) }
    var keytab: krb5_keytab?
    guard unsafe krb5_kt_resolve(context, "FILE:\(realm.keytab)", &keytab) == 0 else { return nil }
    defer { unsafe krb5_kt_close(context, keytab) }
    var authentication: krb5_auth_context?
    var ticket: UnsafeMutablePointer<krb5_ticket>?
    var socket = descriptor
    var version = Array("KPOPV1.0".utf8CString)
    let code = unsafe krb5_recvauth(
      context,
      &authentication,
      &socket,
      &version,
      nil,
      0,
      keytab,
      &ticket
    )
    // Where it fails it has freed the context of the authentication itself, and left the pointer.
    guard code == 0 else { return nil }
    defer {
      unsafe krb5_free_ticket(context, ticket)
      unsafe krb5_auth_con_free(context, authentication)
    }
    guard let client = unsafe ticket?.pointee.enc_part2?.pointee.client else { return nil }
    var name: UnsafeMutablePointer<CChar>?
    guard unsafe krb5_unparse_name(context, client, &name) == 0, let name = unsafe name else {
      return nil
    }
    defer { unsafe krb5_free_unparsed_name(context, name) }
    return unsafe String(cString: name)
  }

  private static func context(_ realm: KerberosRealm) -> krb5_context? {
    var profile: profile_t?
    var context: krb5_context?
    let code = unsafe realm.configurationFile.withCString { path in
      var paths: [UnsafePointer<CChar>?] = unsafe [path, nil]
      return unsafe profile_init(&paths, &profile)
    }
    guard code == 0 else { return nil }
    defer { unsafe profile_release(profile) }
    guard unsafe krb5_init_context_profile(profile, 0, &context) == 0 else { return nil }
    return unsafe context
  }
}
