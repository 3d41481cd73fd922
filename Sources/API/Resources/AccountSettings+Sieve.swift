import Bytes
import Engine
import Model

// The ManageSieve server of an account.

extension AccountSettings {
  /// The settings of a ManageSieve server, and the secret of its own login where the request holds one.
  struct SieveSide {
    var settings: SieveSettings
    var secret: Secret?
  }

  /// Reads `sieve` of a new account; what it does not say is as of the incoming server.
  static func sieve(_ object: inout ObjectDecoder, besides incoming: Side?) -> SieveSide? {
    guard let decoder = object.object("sieve"), let incoming else { return nil }
    return sieve(decoder, besides: incoming.settings, of: nil)
  }

  /// Reads `sieve` of a patch; what it does not say stays.
  static func readSieve(
    _ object: inout ObjectDecoder,
    of account: Account,
    into patch: inout AccountPatch
  ) {
    switch object.change("sieve", { $0.object("sieve") }) {
    case .unchanged: return
    case .cleared: patch.sieve = .some(nil)
    case .set(let decoder):
      let incoming = patch.incoming ?? account.incoming
      guard let side = sieve(decoder, besides: incoming, of: account.sieve) else { return }
      patch.sieve = side.settings
      patch.sieveSecret = side.secret
    }
  }

  private static func sieve(
    _ decoder: ObjectDecoder,
    besides incoming: BackendSettings,
    of old: SieveSettings?
  ) -> SieveSide? {
    guard incoming.kind == .imap else {
      decoder.faults.addValue(
        decoder.pointer,
        .unsupported,
        "Only beside an IMAP server: other mail is filtered by the service itself."
      )
      return nil
    }
    var peek = decoder
    var own = old?.hasOwnLogin ?? false
    if let auth = peek.value("auth") { own = auth != .null }
    let base = old ?? SieveSettings(besides: incoming)
    guard let side = side(decoder, .sieve, of: base.server) else { return nil }
    var settings = SieveSettings(server: side.settings, hasOwnLogin: own)
    if !own { settings.server = settings.backend(besides: incoming) }
    return SieveSide(settings: settings, secret: own ? side.secret : nil)
  }
}
