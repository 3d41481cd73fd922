import Sieve
import TestSupport
import Testing

/// Where Pigeonhole does otherwise, and the RFC settles it: each known difference by name.
///
/// Both are run, so that a Pigeonhole which changes its mind is noticed.
@Suite("Sieve, known differences to Pigeonhole", .enabled(if: PigeonholeOracle.isPresent))
struct PigeonholeDifferences {
  struct Difference: Sendable, CustomTestStringConvertible {
    let name: String
    /// Where the RFC says so.
    let section: String
    let script: String
    let message: String
    let ours: [String]

    var testDescription: String { "\(name) (\(section))" }
  }

  static let all = [
    Difference(
      name: "a fold goes, the tab behind it stays",
      section: "RFC 5322 §2.2.3 by RFC 5228 §2.4.2.2",
      script: "if header :is \"x\" \"a\tb\" { fileinto \"tab\"; } else { fileinto \"other\"; }",
      message: "X: a\r\n\tb\r\n\r\n",
      ours: ["store tab"]
    ),
    Difference(
      name: "fileinto without copy cancels the implicit keep after one with it",
      section: "RFC 5228 §2.10.2, RFC 3894 §3",
      script: "fileinto :copy \"A\"; fileinto \"A\";",
      message: "X: a\r\n\r\n",
      ours: ["store A"]
    ),
    Difference(
      name: "each ? before the first star is one character",
      section: "RFC 5228 §2.7.1",
      script:
        "if header :matches \"x\" \"?d*\" { fileinto \"match\"; } else { fileinto \"none\"; }",
      message: "X: example\r\n\r\n",
      ours: ["store none"]
    ),
    Difference(
      name: "each ? between two stars is one character, be it the last",
      section: "RFC 5228 §2.7.1",
      script:
        "if header :matches \"x\" \"*??*\" { fileinto \"match\"; } else { fileinto \"none\"; }",
      message: "X: ab\r\n\r\n",
      ours: ["store match"]
    ),
    Difference(
      name: "what begins with no digit is infinite, and as large as any other such text",
      section: "RFC 4790 §9.1.1",
      script: """
        if header :comparator "i;ascii-numeric" "x" "y" { fileinto "equal"; } else { discard; }
        """,
      message: "X:\r\n\r\n",
      ours: ["store equal"]
    ),
    Difference(
      name: "a test without a comparator ignores case",
      section: "RFC 5228 §2.7.3",
      script: "if string \"HELLO\" \"hello\" { fileinto \"equal\"; } else { discard; }",
      message: "X: a\r\n\r\n",
      ours: ["store equal"]
    ),
    Difference(
      name: "letters sort as capitals, before the brackets behind Z",
      section: "RFC 4790 §9.2.1",
      script: """
        if header :value "lt" "x" "[" { fileinto "before"; } else { discard; }
        """,
      message: "X: a\r\n\r\n",
      ours: ["store before"]
    ),
    Difference(
      name: "what is no flag is ignored, also where a variable holds it already",
      section: "RFC 5232 §2",
      script: """
        set "v" "a*c"; addflag "v" "$x";
        if string :comparator "i;ascii-casemap" "${v}" "$x" { fileinto "flag"; } else { discard; }
        """,
      message: "X: a\r\n\r\n",
      ours: ["store flag"]
    ),
    Difference(
      name: "a header that was changed leaves the body as it is",
      section: "RFC 5173 §5.1",
      script: """
        deleteheader "x";
        if body :raw :contains "World" { fileinto "there"; } else { fileinto "gone"; }
        """,
      message: "From: a@b.example\r\nX: a\r\n\r\nhello\r\nWorld\r\n",
      ours: ["store there"]
    ),
    Difference(
      name: "an index leaves one field to count",
      section: "RFC 5260 §6, RFC 5231 §4.2",
      script: """
        if header :index 1 :count "eq" :comparator "i;ascii-numeric" "x" "1" { fileinto "one"; }
        """,
      message: "X: example\r\n\r\n",
      ours: ["store one"]
    ),
  ]

  @Test(arguments: all)
  func `ours is the RFC's`(_ difference: Difference) async throws {
    let script = RandomScript.requirement + difference.script
    let ours = try SieveDifferentialTests.verdict(script, difference.message)
    #expect(ours.actions == difference.ours)
    let theirs = try await PigeonholeOracle().run(script, difference.message)
    #expect(theirs != ours)
  }
}
