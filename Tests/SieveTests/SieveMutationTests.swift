import Bytes
import MIME
import Sieve
import TestSupport
import Testing

/// Bad scripts and bad messages end a run with an error or an outcome, and never the process.
@Suite("Sieve, mutations") struct SieveMutationTests {
  static let scripts: [String] = [
    """
    require ["fileinto", "envelope", "imap4flags", "variables", "relational", "copy", "mailbox",
      "comparator-i;ascii-numeric", "subaddress", "regex", "date", "index", "body", "vacation",
      "reject", "editheader", "environment", "duplicate", "encoded-character", "include",
      "foreverypart", "mime", "extracttext", "replace", "enclose", "enotify", "ihave", "fcc",
      "special-use", "mailboxid", "extlists", "spamtestplus", "virustest", "servermetadata",
      "mboxmetadata", "redirect-dsn", "envelope-dsn", "vacation-seconds", "ereject"];
    set :upper :length "a" "${0} ${hex:41 42} x";
    if anyof (header :contains ["subject", "from"] "hello", address :detail :matches "to" "*l?st*",
      not envelope :domain :is "from" "example.com", header :regex "subject" "(h.l+o) (w.*d)") {
      set "b" "${1}-${2}-${a}";
      fileinto :create :copy :flags ["\\\\Seen", "$x"] "A.${b}";
    } elsif allof (size :over 10K, exists ["x", "y"], header :value "gt" :comparator
      "i;ascii-numeric" "x-number" "41", header :count "ge" "x-twice" "2") { discard; }
    else { keep :flags "${b}"; }
    """,
    """
    require ["foreverypart", "mime", "extracttext", "variables", "replace", "enclose", "editheader",
      "fileinto", "body", "date", "relational"];
    foreverypart :name "a" {
      if header :mime :anychild :param "charset" :contains "Content-Type" "utf" {
        extracttext :first 10 :lower "t";
        foreverypart { replace "nothing of ${t}"; break :name "a"; }
      }
    }
    addheader :last "X-A" "b é c"; deleteheader :index 1 :contains "X-Twice" "f";
    enclose :subject "in" :headers ["From", "X-A"] text:
    the text
    ..with dots
    .
    ;
    if body :content ["text", "multipart"] :matches "*b?dy*" { fileinto "x"; }
    if date :value "ge" :originalzone "date" "iso8601" "2020" { stop; }
    if currentdate :zone "+0130" "weekday" ["0", "1"] { stop; }
    replace :subject "s" :from "a@example.org" "whole";
    """,
    """
    require ["vacation", "enotify", "fcc", "mailbox", "ihave", "include", "variables", "reject"];
    global "g"; include :once :optional "other"; /* a comment */ # another
    if ihave "nothing" { unknown :tag ["a"] 3; }
    vacation :days 3 :subject "away" :addresses ["user@example.org"] :fcc "Sent" :create "gone";
    notify :importance "1" :message "m ${g}" "mailto:a@example.org?subject=x%20y&body=z";
    if valid_notify_method "mailto:b@example.org" { error "no"; }
    """,
  ]

  static let messages: [String] = [
    SieveFixture.message,
    """
    From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>
    To: user@example.org
    Subject: =?utf-8?b?SGVsbG8gd29ybGQ=?=
    Content-Type: multipart/mixed; boundary="b"

    prologue
    --b
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: quoted-printable

    the b=C3=B6dy
    --b
    Content-Type: message/rfc822

    Subject: inner
    Content-Type: text/html

    <p>the <b>body</b></p>
    --b
    Content-Type: application/pdf; name="a.pdf"
    Content-Disposition: attachment; filename*=utf-8''%C3%A9.pdf
    Content-Transfer-Encoding: base64

    AAECAwQ=
    --b--
    epilogue
    """,
  ]

  @Test func `no script ends the process`() throws {
    let inputs = Self.scripts.map { Array($0.utf8) }
    let message = Self.messages.map { ScriptMessage(MessageParser.parse(Array($0.utf8))) }
    var compiled = 0
    try Mutations.run("sieve-script", of: inputs, count: 1_500) { script in
      do throws(ScriptErrors) {
        let program = try Script(compiling: script)
        compiled += 1
        for message in message { Self.run(program, message) }
      } catch {
        let lines = script.count { $0 == .lf } + 1
        #expect(!error.errors.isEmpty)
        #expect(error.errors.allSatisfy { (1...lines).contains($0.line) && $0.column >= 1 })
      }
    }
    #expect(compiled > 0)
  }

  @Test func `no message ends the process`() throws {
    let programs = try Self.scripts.map { try Script(compiling: Array($0.utf8)) }
    try Mutations.run("sieve-message", of: Self.messages.map { Array($0.utf8) }, count: 500) {
      let message = ScriptMessage(MessageParser.parse($0))
      for program in programs { Self.run(program, message) }
    }
  }

  @Test func `a script without an end of any length is told apart from a deep one`() {
    for opening in ["if not ", "if anyof(", "if true {", "[", "\"", "/*", "text:\n", "${", "keep"] {
      let script = String(repeating: opening, count: 20_000)
      #expect(!SieveFixture.errors(script).isEmpty)
    }
  }

  @Test func `thousands of branches, and of commands, are no depth`() throws {
    var fixture = SieveFixture(
      "if false { }" + String(repeating: "elsif false { }", count: 10_000) + "else { discard; }"
        + String(repeating: "keep;", count: 10_000)
    )
    #expect(try fixture.outcome().summary == ["discard ", "fileinto INBOX"])
    fixture.script = "if header \"a\" [" + String(repeating: "\"a\",", count: 50_000) + "\"b\"] { }"
    #expect(try fixture.outcome().isImplicitlyKept)
  }

  private static func run(_ script: Script, _ message: ScriptMessage) {
    let envelope = ScriptEnvelope(from: "sender@example.com", to: "user@example.org")
    let result = script.run(on: message, envelope: envelope, host: TestHost())
    guard case .finished(let outcome) = result else { return }
    // A failure keeps the message, whatever was said before it.
    if outcome.error != nil {
      #expect(outcome.actions.isEmpty)
      #expect(outcome.isImplicitlyKept)
    }
  }
}
