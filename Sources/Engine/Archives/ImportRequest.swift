package import Archives
import Bytes
package import Model

/// What an import was asked to do; its job's row keeps it.
package struct ImportRequest: Sendable, Equatable {
  package var format: ArchiveFormat
  package var mailbox: ID<Mailbox>
  /// Whether messages that the mailbox has already, byte for byte, are left out.
  package var skipsDuplicates: Bool

  package init(format: ArchiveFormat, mailbox: ID<Mailbox>, skipsDuplicates: Bool) {
    self.format = format
    self.mailbox = mailbox
    self.skipsDuplicates = skipsDuplicates
  }

  /// The request as the job's row keeps it.
  var json: String {
    let members: [JSONValue.Member] = [
      .init(name: "format", value: .string(format.rawValue)),
      .init(name: "mailbox", value: .int(mailbox.rawValue)),
      .init(name: "skipsDuplicates", value: .bool(skipsDuplicates)),
    ]
    return String(decoding: JSONValue.object(members).encoded, as: UTF8.self)
  }

  init?(json text: String) {
    guard let value = JSONValue(row: text),
      let format = value["format"]?.stringValue.flatMap(ArchiveFormat.init),
      let mailbox = value["mailbox"]?.intValue
    else { return nil }
    self.init(
      format: format,
      mailbox: ID(mailbox),
      skipsDuplicates: value["skipsDuplicates"]?.boolValue ?? false
    )
  }
}

extension ArchivePlace {
  /// The place as the job's row keeps it.
  var json: String {
    let folders = keywords.sorted { $0.key < $1.key }.map { folder, names in
      JSONValue.Member(
        name: folder,
        value: .object(
          names.sorted { $0.key < $1.key }
            .map { .init(name: String($0.key), value: .string($0.value)) }
        )
      )
    }
    let members: [JSONValue.Member] = [
      .init(name: "offset", value: .int(offset)), .init(name: "inflated", value: .int(inflated)),
      .init(name: "keywords", value: .object(folders)),
    ]
    return String(decoding: JSONValue.object(members).encoded, as: UTF8.self)
  }

  init?(json text: String) {
    guard let value = JSONValue(row: text), let offset = value["offset"]?.intValue,
      let inflated = value["inflated"]?.intValue
    else { return nil }
    self.init()
    (self.offset, self.inflated) = (offset, inflated)
    guard case .object(let folders)? = value["keywords"] else { return }
    for folder in folders {
      guard case .object(let names) = folder.value else { continue }
      for name in names {
        guard let number = Int(name.name), let keyword = name.value.stringValue else { continue }
        keywords[folder.name, default: [:]][number] = keyword
      }
    }
  }
}

extension JSONValue {
  /// The value that a row of ours holds; nil where it holds none.
  fileprivate init?(row text: String) {
    var text = text
    text.makeContiguousUTF8()
    guard let value = try? JSONReader.parse(text.utf8.span) else { return nil }  // No value.
    self = value
  }
}
