import Foundation

extension SampleMail {
  static func body(_ index: Int, kind: Kind) -> String {
    let lines = sentences(index, count: 6 + index % 20)
    let text = lines.joined(separator: "\r\n") + "\r\n"
    let boundary = "=_part_\(index)_x"
    switch kind {
    case .plain, .newsletter, .thread:
      return "Content-Type: text/plain; charset=us-ascii\r\n\r\n" + text
    case .quotedPrintable:
      return "Content-Type: text/plain; charset=utf-8\r\n"
        + "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        + "Gr=C3=BC=C3=9Fe aus K=C3=B6ln, und eine sehr lange Zeile, die umbrochen =\r\nwird. "
        + "a =3D b\r\n" + text
    case .base64:
      return "Content-Type: text/plain; charset=\"UTF-8\"\r\n"
        + "Content-Transfer-Encoding: base64\r\n\r\n"
        + base64Lines([UInt8](("Schöne Grüße 🌿\r\n" + text).utf8)) + "\r\n"
    case .alternative:
      return multipart("alternative", boundary) + alternatives(lines, text, boundary)
    case .related:
      return multipart("related; type=\"text/html\"", boundary)
        + part(
          boundary,
          "Content-Type: text/html; charset=utf-8",
          "<p>\(lines[0])</p><img src=\"cid:logo\(index)@example.org\">\r\n"
        )
        + part(
          boundary,
          "Content-Type: image/png; name=logo.png\r\nContent-Transfer-Encoding: base64\r\n"
            + "Content-ID: <logo\(index)@example.org>\r\nContent-Disposition: inline",
          base64Lines(picture) + "\r\n"
        ) + "--\(boundary)--\r\n"
    case .mixed: return mixed(index, lines, text, boundary)
    case .charset:
      let charset = charset(index)
      return "Content-Type: text/plain; charset=\(charset.name)\r\n"
        + "Content-Transfer-Encoding: base64\r\n\r\n\(charset.base64)\r\n"
    case .forwarded:
      // Another number, since a boundary inside must differ from the one around it.
      let inner = String(decoding: message(index + 1_000_000, kind: .mixed), as: UTF8.self)
      return multipart("mixed", boundary)
        + part(boundary, "Content-Type: text/plain", "See below.\r\n")
        + part(boundary, "Content-Type: message/rfc822\r\nContent-Disposition: inline", inner)
        + "--\(boundary)--\r\n"
    }
  }

  private static func multipart(_ subtype: String, _ boundary: String) -> String {
    "Content-Type: multipart/\(subtype);\r\n boundary=\"\(boundary)\"\r\n\r\n"
      + "This is a message with several parts.\r\n"
  }

  static func part(_ boundary: String, _ header: String, _ content: String) -> String {
    "--\(boundary)\r\n\(header)\r\n\r\n\(content)\r\n"
  }

  private static func alternatives(_ lines: [String], _ text: String, _ boundary: String) -> String
  {
    let html = lines.map { "<p>\($0)</p>\r\n" }.joined()
    return part(boundary, "Content-Type: text/plain; charset=utf-8", text)
      + part(
        boundary,
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
        "<html><body style=3D\"color:black\">\r\n\(html)</body></html>\r\n"
      )
      + "--\(boundary)--\r\n"
  }

  private static func mixed(
    _ index: Int,
    _ lines: [String],
    _ text: String,
    _ boundary: String
  ) -> String {
    let inner = "=_inner_\(index)"
    let document = (0..<3000 + index % 7 * 400).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index) }
    return multipart("mixed", boundary)
      + "--\(boundary)\r\n" + multipart("alternative", inner) + alternatives(lines, text, inner)
      + "\r\n"
      + part(
        boundary,
        "Content-Type: application/pdf; name=\"report-\(index).pdf\"\r\n"
          + "Content-Transfer-Encoding: base64\r\n"
          + "Content-Disposition: attachment; filename=\"report-\(index).pdf\"; size=\(document.count)",
        base64Lines(document) + "\r\n"
      )
      + part(
        boundary,
        "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
          + "Content-Disposition: attachment;\r\n"
          + " filename*0*=UTF-8''%E5%86%99%E7%9C%9F;\r\n filename*1*=%20\(index).png",
        base64Lines(picture) + "\r\n"
      ) + "--\(boundary)--\r\n"
  }

  /// A legacy charset, its encoded word and the base64 of a line of text in it.
  static func charset(_ index: Int) -> (name: String, word: String, base64: String) {
    let (name, base64) = charsets[index / 10 % charsets.count]
    return (name, "=?\(name)?B?\(base64)?=", base64)
  }

  private static let charsets = [
    ("iso-2022-jp", "GyRCMnE1RCROJCpDTiRpJDsbKEI="),  // 会議のお知らせ
    ("koi8-r", "79Teo9Qg2sEgzs/RwtLY"),  // Отчёт за ноябрь
    ("gb18030", "udjT2tSky+O1xM7KzOI="),  // 关于预算的问题
    ("windows-1252", "Q2Fm6SCTb2ZmcmWUIHNw6WNpYWxlIJYgMTAggA=="),  // Café “offre” spéciale – 10 €
    ("iso-8859-2", "WmG/87PmIGfqtmyxIGphvPE="),  // Zażółć gęślą jaźń
    ("shift_jis", "jKmQz4+RgsyMjw=="),  // 見積書の件
    ("big5", "t3zEs7BPv/0="),  // 會議記錄
    ("euc-kr", "yLjAxyC+yLO7"),  // 회의 안내
  ]

  /// A PNG of one transparent pixel.
  package static let picture: [UInt8] = [UInt8](
    Data(
      base64Encoded:
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAA"
        + "ABJRU5ErkJggg=="
    ) ?? Data()
  )

  static func base64Lines(_ bytes: [UInt8]) -> String {
    String(decoding: wrappedBase64(bytes), as: UTF8.self)
  }

  static func wrappedBase64(_ bytes: [UInt8]) -> [UInt8] {
    [UInt8](
      Data(bytes).base64EncodedData(options: [
        .lineLength76Characters, .endLineWithCarriageReturn, .endLineWithLineFeed,
      ])
    )
  }
}
