import MIME
import Testing

@Suite("Address lists (RFC 5322 §3.4, §4.4)")
struct AddressListTests {
  private static let plain: [Fixture<[Address]>] = [
    .init("", []),
    .init(" , ,;", []),
    .init("ada@example.org", [Address(email: "ada@example.org")]),
    .init("<ada@example.org>", [Address(email: "ada@example.org")]),
    .init(
      "Ada Lovelace <ada@example.org>",
      [Address(name: "Ada Lovelace", email: "ada@example.org")]
    ),
    .init(
      "\"Lovelace, Ada\" <a@b>, c@d",
      [Address(name: "Lovelace, Ada", email: "a@b"), Address(email: "c@d")]
    ),
    .init(
      "\"  James Smythe\" <j@example.com>",
      [Address(name: "James Smythe", email: "j@example.com")]
    ),
    .init("\"a \\\"quoted\\\" name\" <a@b>", [Address(name: "a \"quoted\" name", email: "a@b")]),
    .init(
      "ada@example.org (Ada Lovelace)",
      [Address(name: "Ada Lovelace", email: "ada@example.org")]
    ),
    .init("<ada@example.org> (Ada)", [Address(name: "Ada", email: "ada@example.org")]),
    .init(
      "=?UTF-8?Q?John_Sm=C3=AEth?= <john@example.com>",
      [Address(name: "John Smîth", email: "john@example.com")]
    ),
    .init("\"=?UTF-8?B?w4k=?=\" <e@b>", [Address(name: "É", email: "e@b")]),
    .init("Müller <m@b>", [Address(name: "Müller", email: "m@b")]),
    .init("\"john doe\"@example.com", [Address(email: "\"john doe\"@example.com")]),
    .init("<\"john doe\"@example.com>", [Address(email: "\"john doe\"@example.com")]),
    .init(
      "user@[192.0.2.1], v@[IPv6:2001:db8::1]",
      [Address(email: "user@[192.0.2.1]"), Address(email: "v@[IPv6:2001:db8::1]")]
    ),
    .init(
      "J. R. R. Tolkien <jrr@example.org>",
      [Address(name: "J. R. R. Tolkien", email: "jrr@example.org")]
    ),
  ]

  private static let obsolete: [Fixture<[Address]>] = [
    .init("john . doe @ example . com", [Address(email: "john.doe@example.com")]),
    .init(
      "Route <@a.example,@b.example:c@d.example>",
      [Address(name: "Route", email: "c@d.example")]
    ),
    .init(
      "Pete(A nice \\) chap) <pete(his account)@silly.test(host)>",
      [Address(name: "Pete", email: "pete@silly.test")]
    ),
    .init("a@b (one (nested) comment)", [Address(name: "one (nested) comment", email: "a@b")]),
    .init("Folded\r\n Name\r\n <a@b>", [Address(name: "Folded Name", email: "a@b")]),
  ]

  private static let broken: [Fixture<[Address]>] = [
    .init("a@b; c@d", [Address(email: "a@b"), Address(email: "c@d")]),
    .init("a@b c@d", [Address(email: "a@b"), Address(email: "c@d")]),
    .init(
      "Ada Lovelace ada@example.org",
      [Address(name: "Ada Lovelace", email: "ada@example.org")]
    ),
    .init(
      "ada@example.org Ada Lovelace",
      [Address(name: "Ada Lovelace", email: "ada@example.org")]
    ),
    .init("<<a@b>>", [Address(email: "a@b")]),
    .init("Name <a@b, c@d", [Address(name: "Name", email: "a@b"), Address(email: "c@d")]),
    .init("\"Open quote <a@b>", [Address(name: "Open quote", email: "a@b")]),
    .init("ada@home <ada@example.org>", [Address(name: "ada@home", email: "ada@example.org")]),
    .init("moderator", [Address(email: "moderator")]),
    .init("Only A Name", [Address(name: "Only A Name", email: "")]),
    .init("Name <>", [Address(name: "Name", email: "")]),
    .init("a@b (open comment", [Address(name: "open comment", email: "a@b")]),
    .init("[Team] lead <a@b>", [Address(name: "[Team] lead", email: "a@b")]),
    .init("x\0y@b", [Address(email: "xy@b")]),
  ]

  @Test(arguments: plain + obsolete + broken)
  func `a list gives these addresses`(_ fixture: Fixture<[Address]>) {
    #expect(parseAddressList(fixture.wire.span) == fixture.value)
  }

  @Test func `raw eight-bit names are read as windows-1252`() {
    let wire = latin1("J\u{FC}rgen <j@example.de>")
    #expect(parseAddressList(wire.span) == [Address(name: "Jürgen", email: "j@example.de")])
  }

  @Test func `groups keep their members`() {
    let wire = [UInt8]("x@y, A Group:Ed <e@where.test>,joe@where.test; Undisclosed:;".utf8)
    #expect(
      AddressList.parse(wire.span) == [
        .address(Address(email: "x@y")),
        .group(
          AddressGroup(
            name: "A Group",
            addresses: [
              Address(name: "Ed", email: "e@where.test"), Address(email: "joe@where.test"),
            ]
          )
        ),
        .group(AddressGroup(name: "Undisclosed", addresses: [])),
      ]
    )
  }

  @Test func `an open group ends with the list`() {
    let wire = [UInt8]("Team: a@b, c@d".utf8)
    #expect(parseAddressList(wire.span).map(\.email) == ["a@b", "c@d"])
  }

  @Test(arguments: ["\"", "(", "<", "[", "\\", ":", "<@", "a@", "\"a\\", "([<\""])
  func `endless openings cost no more than their length`(_ opening: String) {
    let wire = [UInt8](String(repeating: opening, count: 20_000).utf8)
    _ = AddressList.parse(wire.span)
  }
}
