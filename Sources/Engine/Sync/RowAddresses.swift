import Bytes
import MailProtocols
import MIME

/// Addresses on their way into a row.
///
/// Most addresses of an ENVELOPE are ASCII but for encoded words in their names: their bytes are written as they came,
/// with no `String` made.
enum RowAddresses {
  case plain([EnvelopeAddress])
  case decoded([Address])

  /// The addresses of an ENVELOPE; the marks of a group are left out.
  init(_ list: [EnvelopeAddress]) {
    let isPlain = list.allSatisfy { address in
      EncodedWords.isPlain(address.mailbox) && EncodedWords.isPlain(address.host)
    }
    guard isPlain else {
      self = .decoded(Self.decoded(list))
      return
    }
    let addresses = list.allSatisfy(\.isAddress) ? list : list.filter(\.isAddress)
    self = .plain(
      addresses.allSatisfy { EncodedWords.isPlain($0.name) }
        ? addresses : addresses.map(\.withDecodedName)
    )
  }

  var isEmpty: Bool {
    switch self {
    case .plain(let list): list.isEmpty
    case .decoded(let list): list.isEmpty
    }
  }

  /// `[{"name": …, "email": …}]`.
  func write(to json: inout JSONWriter) {
    json.beginArray()
    switch self {
    case .plain(let list):
      for address in list {
        json.beginObject()
        json.key("name")
        if let name = address.name { json.string(name.span) } else { json.null() }
        json.key("email")
        json.email(address)
        json.endObject()
      }
    case .decoded(let list):
      for address in list {
        json.beginObject()
        json.key("name")
        json.string(address.name?.withoutNUL)
        json.key("email")
        json.string(address.email.withoutNUL)
        json.endObject()
      }
    }
    json.endArray()
  }

  /// `Name <address>, …`, for filters and orders, behind what `text` holds.
  func appendText(to text: inout [UInt8], isFirst: inout Bool) {
    switch self {
    case .plain(let list):
      for address in list {
        Self.separate(&text, &isFirst)
        let name = address.name ?? []
        text.append(contentsOf: name)
        if !name.isEmpty { text.append(" <") }
        text.append(contentsOf: address.mailbox ?? [])
        if let host = address.host, !host.isEmpty {
          text.append(0x40)
          text.append(contentsOf: host)
        }
        if !name.isEmpty { text.append(">") }
      }
    case .decoded(let list):
      for address in list {
        Self.separate(&text, &isFirst)
        let name = address.name?.withoutNUL ?? ""
        text.append(text: name)
        if !name.isEmpty { text.append(" <") }
        text.append(text: address.email.withoutNUL)
        if !name.isEmpty { text.append(">") }
      }
    }
  }

  private static func separate(_ text: inout [UInt8], _ isFirst: inout Bool) {
    if !isFirst { text.append(", ") }
    isFirst = false
  }

  private static func decoded(_ list: [EnvelopeAddress]) -> [Address] {
    list.compactMap { item in
      guard let mailbox = item.mailbox, let host = item.host else { return nil }
      let local = String(utf8: mailbox.span)
      let domain = String(utf8: host.span)
      return Address(
        name: item.name.map { EncodedWords.decode($0.span) },
        email: domain.isEmpty ? local : local + "@" + domain
      )
    }
  }
}

extension EnvelopeAddress {
  /// Whether this is an address, and not the start or the end of a group.
  fileprivate var isAddress: Bool { mailbox != nil && host != nil }

  /// The same with the encoded words of its name decoded.
  fileprivate var withDecodedName: EnvelopeAddress {
    guard let name, !EncodedWords.isPlain(name.span) else { return self }
    var address = self
    address.name = [UInt8](EncodedWords.decode(name.span).withoutNUL.utf8)
    return address
  }
}

extension EncodedWords {
  fileprivate static func isPlain(_ bytes: [UInt8]?) -> Bool {
    bytes.map { isPlain($0.span) } ?? true
  }
}

extension JSONWriter {
  fileprivate mutating func email(_ address: EnvelopeAddress) {
    let mailbox = address.mailbox ?? []
    guard let host = address.host, !host.isEmpty else { return string(mailbox.span) }
    string(mailbox.span, 0x40, host.span)
  }
}
