import Bytes
import MIME

/// A leaf of a message's structure as the database keeps it: what is needed to read it.
struct StoredPart {
  var partID: String
  var type: String
  var size: Int
  var name: String?
  var charset: String?
  var disposition: String?
  var encoding: TransferEncoding

  /// The leaves of a tree in `body_structure`'s JSON; none where the structure is not known.
  static func leaves(of json: Span<UInt8>) -> [StoredPart] {
    // The column is written by this target alone: what cannot be read is not there.
    guard !json.isEmpty, let tree = try? JSONReader.parse(json) else { return [] }
    var leaves: [StoredPart] = []
    collect(tree, into: &leaves)
    return leaves
  }

  private static func collect(_ value: JSONValue, into leaves: inout [StoredPart]) {
    if let parts = value["subParts"]?.arrayValue {
      for part in parts { collect(part, into: &leaves) }
    } else if let partID = value["partId"]?.stringValue {
      leaves.append(
        StoredPart(
          partID: partID,
          type: value["type"]?.stringValue ?? "application/octet-stream",
          size: Int(value["size"]?.intValue ?? 0),
          name: value["name"]?.stringValue,
          charset: value["charset"]?.stringValue,
          disposition: value["disposition"]?.stringValue,
          encoding: TransferEncoding(name: value["transferEncoding"]?.stringValue ?? "7bit")
        )
      )
    }
  }
}
