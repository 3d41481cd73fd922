import Foundation

extension SampleMail {
  /// A message that breaks a rule, as real ones do.
  package struct Broken: Sendable, CustomStringConvertible {
    /// What is wrong with it.
    package var name: String
    /// Its bytes.
    package var bytes: [UInt8]

    /// The name, by which a test's output tells the case.
    package var description: String { name }
  }

  /// Messages that break a rule each; all of them must be shown as well as they can be.
  package static let broken: [Broken] = [
    Broken("empty", ""),
    Broken("only a body", "\r\nno header at all\r\n"),
    Broken("only a header", "Subject: no body\r\nFrom: a@example.org\r\n"),
    Broken("no blank line", "Subject: x\r\nthis is no field\r\nnor this\r\n"),
    Broken("bare LF", "From: a@example.org\nSubject: unix\n\nline one\nline two\n"),
    Broken("bare CR", "From: a@example.org\rSubject: mac\r\rline\r"),
    Broken("NUL in the body", "Subject: nul\r\n\r\na\u{0}b\r\n"),
    Broken(
      "fields twice",
      "Subject: one\r\nSubject: two\r\nFrom: a@b.c\r\nFrom: d@e.f\r\n\r\nx\r\n"
    ),
    Broken("no closing boundary", multipart(end: false)),
    Broken("boundary missing", "Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\na\r\n--x--\r\n"),
    Broken("unknown charset", "Content-Type: text/plain; charset=x-unknown\r\n\r\nhello\r\n"),
    Broken("raw UTF-8 in the header", "Subject: Grüße\r\nFrom: Jürgen <j@example.de>\r\n\r\nx\r\n"),
    Broken("raw Latin-1 in the header", latin1),
    Broken(
      "half a base64 body",
      "Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8gd29ybGQ\r\n*!\r\nQ"
    ),
    Broken(
      "bad quoted-printable",
      "Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ=4=\r\n=\r\n"
    ),
    Broken("a date that is none", "Date: yesterday, I think\r\nSubject: d\r\n\r\nx\r\n"),
    Broken("a date of the last century", "Date: Mon, 3 Jan 94 24:61 PDT (summer)\r\n\r\nx\r\n"),
    Broken(
      "an address that is none",
      "From: <<@>>, undisclosed-recipients:;, \"\r\nTo: ,,\r\n\r\nx\r\n"
    ),
    Broken(
      "an encoded word cut short",
      "Subject: =?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe\r\n\r\nx\r\n"
    ),
    Broken(
      "a line of 100,000 bytes",
      "Subject: long\r\n\r\n" + String(repeating: "x", count: 100_000)
    ),
    Broken("multipart 500 deep", deep(500)),
    Broken("1,000 header fields", String(repeating: "X-A: b\r\n", count: 1000) + "\r\nx\r\n"),
    Broken(
      "mbox line first",
      "From a@example.org Mon Jan  1 00:00:00 2024\r\nSubject: m\r\n\r\nx\r\n"
    ),
  ]

  private static let latin1 =
    [UInt8]("Subject: Gr".utf8) + [0xFC, 0xDF] + [UInt8]("e\r\n\r\nx".utf8)

  private static func multipart(end: Bool) -> String {
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
      + "--b\r\nContent-Type: text/html\r\n\r\n<p>two" + (end ? "\r\n--b--\r\n" : "")
  }

  private static func deep(_ depth: Int) -> String {
    (0..<depth).map { "Content-Type: multipart/mixed; boundary=\"b\($0)\"\r\n\r\n--b\($0)\r\n" }
      .joined() + "\r\nthe core\r\n"
  }
}

extension SampleMail.Broken {
  fileprivate init(_ name: String, _ text: String) { self.init(name, [UInt8](text.utf8)) }

  fileprivate init(_ name: String, _ bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }
}
