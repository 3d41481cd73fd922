import Bytes
import FoundationEssentials

extension Timestamp {
  /// The instant that the system's clock shows.
  static func now() -> Timestamp {
    Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000))
  }
}
