/// Why a cryptographic call failed.
///
/// It never says anything of keys or texts.
package enum CryptoError: Error, Equatable, Sendable {
  /// OpenSSL refused the call: out of memory, or no source of randomness.
  case unavailable(call: String)
  /// A key of the wrong length.
  case badKey
  /// The sealed bytes are damaged, were sealed under another context, or with a key that is not here.
  case cannotOpen
}
