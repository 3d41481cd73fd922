import Bytes
package import MIME

/// What tests of scripts compare, for whoever compares the same without a script.
package enum ComparedValues {
  /// The values of the fields of a name: unfolded, decoded, without blanks at their ends (RFC 5228 §5.7).
  package static func texts(of name: String, in header: HeaderFields) -> [[UInt8]] {
    MessageState.values(of: [UInt8](name.utf8).lowercased, in: header).map(\.bytes)
  }

  /// The values of all fields.
  package static func allTexts(in header: HeaderFields) -> [[UInt8]] {
    header.fields.map { MessageState.value($0, in: header).bytes }
  }

  /// The addresses in the fields of a name (RFC 5228 §5.1).
  package static func addresses(of name: String, in header: HeaderFields) -> [ComparedAddress] {
    MessageState.fields([UInt8](name.utf8).lowercased, in: header).flatMap { field in
      AddressValue.list(header.bytes.span.extracting(field.body)).map { ComparedAddress($0) }
    }
  }

  /// The texts that `body :text` compares (RFC 5173 §5.3): of each text part, mark-up of HTML left out.
  package static func bodyTexts(of message: ParsedMessage) -> [[UInt8]] {
    message.parts.filter { $0.contentType.type == "text" }.map { part in
      let text = part.decodedText().text
      let isHTML = part.contentType.subtype == "html"
      return [UInt8]((isHTML ? HTMLText.plainText(text) : text).utf8)
    }
  }

  /// A part of a date as `date` and `currentdate` give it (RFC 5260 §4.2); nil where there is no such part.
  package static func datePart(_ name: String, of date: MIMEDate) -> String? {
    DatePart([UInt8](name.utf8))?.value(of: CivilDate(date))
  }

  /// The date in the first field of a name, behind its last semicolon where it has one (RFC 5260 §4).
  package static func date(of name: String, in header: HeaderFields) -> MIMEDate? {
    guard let field = MessageState.fields([UInt8](name.utf8).lowercased, in: header).first else {
      return nil
    }
    let body = header.bytes[field.body]
    let start = body.lastIndex(of: 0x3B).map { $0 + 1 } ?? body.startIndex
    return MIMEDate.parse([UInt8](body[start...]).span)
  }

  /// The media types of the `Content-Type` fields of a header (RFC 5703 §4.1 `:contenttype`).
  package static func mediaTypes(in header: HeaderFields) -> [String] {
    MessageState.fields([UInt8]("content-type".utf8), in: header).map { field in
      ContentType(parsing: header.bytes.span.extracting(field.body))?.mediaType ?? ""
    }
  }

  /// Parameters of the `Content-Type` and `Content-Disposition` fields of a header, by their names in lower case
  /// (RFC 5703 §4.1 `:param`).
  package static func parameters(_ names: [String], in header: HeaderFields) -> [String] {
    var found: [String] = []
    for field in MessageState.fields([UInt8]("content-type".utf8), in: header) {
      let type = ContentType(parsing: header.bytes.span.extracting(field.body))
      found += names.compactMap { type?.parameters[$0] }
    }
    for field in MessageState.fields([UInt8]("content-disposition".utf8), in: header) {
      let disposition = ContentDisposition(parsing: header.bytes.span.extracting(field.body))
      found += names.compactMap { disposition?.parameters[$0] }
    }
    return found
  }
}

/// An address, cut into what tests compare (RFC 5228 §2.7.4, RFC 5233).
package struct ComparedAddress: Sendable {
  package let all: [UInt8]
  /// Nil where the address is not valid, as are the parts below.
  package let localPart: [UInt8]?
  package let domain: [UInt8]?
  package let user: [UInt8]?
  /// Nil also where there is no `+`.
  package let detail: [UInt8]?

  /// The address that an addr-spec spells.
  package init(_ specification: String) { self.init(AddressValue(specification)) }

  init(_ address: AddressValue) {
    all = address.all.bytes
    localPart = address.localPart?.bytes
    domain = address.domain?.bytes
    let plus = localPart?.firstIndex(of: 0x2B)
    user = localPart.map { local in plus.map { [UInt8](local[..<$0]) } ?? local }
    detail = localPart.flatMap { local in plus.map { [UInt8](local[($0 + 1)...]) } }
  }

  /// The same for addresses of one mailbox: of an address its domain knows no case (RFC 5321 §2.4).
  package static func key(of specification: String) -> String {
    guard let at = specification.lastIndex(of: "@") else { return specification }
    return specification[..<at] + specification[at...].lowercased()
  }
}

/// A pattern that values are held against, letters of ASCII in either case.
package enum TextPattern: Sendable {
  /// Of `*` and `?` (RFC 5228 §2.7.1).
  case wildcards(Wildcards)
  case regex(Regex)

  /// A compiled pattern of wildcards.
  package struct Wildcards: Sendable {
    let pattern: WildcardPattern
  }

  /// A compiled regular expression.
  package struct Regex: Sendable {
    let pattern: RegexPattern
  }

  /// A pattern of wildcards.
  package init(wildcards: String) {
    self = .wildcards(Wildcards(pattern: WildcardPattern([UInt8](wildcards.utf8).lowercased)))
  }

  /// A regular expression; nil where the text is none.
  package init?(regex: String, limits: SieveLimits = SieveLimits()) {
    do throws(RegexPattern.Problem) {
      let pattern = try RegexPattern(
        [UInt8](regex.utf8),
        ignoresCase: true,
        limit: limits.regexBytes
      )
      self = .regex(Regex(pattern: pattern))
    } catch {
      return nil
    }
  }

  /// Whether a value matches; one that costs more than the limits allow does not.
  package func matches(_ value: [UInt8], limits: SieveLimits = SieveLimits()) -> Bool {
    switch self {
    case .wildcards(let wildcards):
      var steps = limits.matchSteps
      return wildcards.pattern.matches(value.lowercased.span, steps: &steps)
    case .regex(let regex):
      let subject = value.prefix(limits.regexSubjectBytes)
      if case .found = regex.pattern.match(subject, steps: limits.regexSteps) { return true }
      return false
    }
  }
}

extension ComparedAddress {
  /// The addr-spec of an address that a user wrote, with or without a display name; nil where it is none.
  package static func specification(of text: String) -> String? {
    MailAddress.specification(of: [UInt8](text.utf8))
  }
}
