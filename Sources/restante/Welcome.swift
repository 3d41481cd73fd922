import Bytes
import Engine
import Foundation
import MIME
import Model
import Store

/// A first mailbox for whoever runs the service without having any: one account kept here, with a few messages.
enum Welcome {
  /// The address of the account.
  static let address = "ada@home.example"

  /// Makes the account and its messages, unless there is an account already; whether it did.
  static func prepare(_ engine: Engine, _ store: Store) async throws -> Bool {
    guard try await store.accounts(limit: 1).isEmpty else { return false }
    let account = try await engine.createAccount(
      AccountDraft(
        name: "Ada",
        email: address,
        mode: .online,
        incoming: .local,
        incomingSecret: nil,
        outgoing: nil,
        outgoingSecret: nil,
        identities: []
      )
    )
    guard let inbox = try await store.mailbox(role: "inbox", of: account.id) else { return false }
    let now = Int64(Date().timeIntervalSince1970)
    for sample in samples {
      let seconds = now - sample.minutesAgo * 60
      let text = "Date: \(MIMEDate(seconds: seconds).formatted)\n" + sample.text
      _ = try await engine.importMessage(
        Array(text.utf8),
        into: inbox.id,
        of: account.id,
        keywords: [],
        receivedAt: Timestamp(seconds: seconds)
      )
    }
    return true
  }

  /// What is printed: the variables of the README's first session, and that session; where no mail is taken by SMTP, what of it reads.
  static func lines(listening address: String, tokenFile: String, smtp: String?) -> [String] {
    let sender = smtp.map { " S=smtp://\($0)" } ?? ""
    let variables = "R=http://\(address)\(sender) T=$(cat \(tokenFile))"
    let shown = smtp == nil ? reading : session
    return ["", "Paste in another terminal:", "", variables, shown]
  }

  /// The session, as the README has it; a test compares them and runs it.
  static let session = "\(reading)\n\n\(sending)"

  private static let reading = #"""
    H="Authorization: Bearer $T"
    A=$(curl -fsS "$R/v1/accounts" -H "$H" | jq -r '.items[0].id')

    # 1 What is in the inbox, newest first.
    curl -fsS "$R/v1/accounts/$A/messages?mailbox=inbox&limit=20" -H "$H" |
      jq -r '.items[] | [.id, .from[0].email, .subject] | join("  ")'
    """#

  private static let sending = #"""
    # 2 Send a message to it, as any program that speaks SMTP can.
    printf 'From: you@home.example\nSubject: Hello\n\nIt works.\n' |
      curl -fsS --crlf "$S" --mail-from you@home.example --mail-rcpt ada@home.example -T -

    # 3 It is there already.
    curl -fsS "$R/v1/accounts/$A/messages?mailbox=inbox&limit=1" -H "$H" |
      jq '.items[] | { id, subject, preview, receivedAt }'
    """#

  private struct Sample {
    var minutesAgo: Int64
    var text: String
  }

  private static let samples: [Sample] = [
    Sample(
      minutesAgo: 2900,
      text: """
        From: Grace <grace@example.org>
        To: Ada <ada@home.example>
        Subject: Lunch on Friday?
        Message-ID: <lunch-1@example.org>

        Shall we try the place by the river? They have tables outside.
        """
    ),
    Sample(
      minutesAgo: 2840,
      text: """
        From: Charles <charles@example.com>
        To: Grace <grace@example.org>, Ada <ada@home.example>
        Subject: Re: Lunch on Friday?
        Message-ID: <lunch-2@example.com>
        In-Reply-To: <lunch-1@example.org>
        References: <lunch-1@example.org>

        I am in. Half past twelve?

        > Shall we try the place by the river?
        """
    ),
    Sample(
      minutesAgo: 1300,
      text: """
        From: =?utf-8?q?J=C3=BCrg_M=C3=BCller?= <juerg@example.ch>
        To: Ada <ada@home.example>
        Subject: =?utf-8?b?R3LDvMOfZSBhdXMgWsO8cmljaCDigJMg5LuK5pel44Gv?=
        Message-ID: <zurich@example.ch>
        MIME-Version: 1.0
        Content-Type: text/plain; charset=iso-8859-1
        Content-Transfer-Encoding: quoted-printable

        Sch=F6ne Gr=FC=DFe vom See. Das Gep=E4ck ist angekommen.
        """
    ),
    Sample(
      minutesAgo: 600,
      text: """
        From: Accounts <billing@example.net>
        To: Ada <ada@home.example>
        Subject: Your invoice for November
        Message-ID: <invoice@example.net>
        MIME-Version: 1.0
        Content-Type: multipart/mixed; boundary=part

        --part
        Content-Type: text/plain; charset=utf-8

        The invoice is attached. Thank you.
        --part
        Content-Type: text/csv; name=invoice.csv
        Content-Disposition: attachment; filename=invoice.csv
        Content-Transfer-Encoding: base64

        aXRlbSxwcmljZQpUZWEsMy41MApCaXNjdWl0cywyLjIwCg==
        --part--
        """
    ),
    Sample(
      minutesAgo: 60,
      text: """
        From: The Analytical Weekly <news@lists.example.org>
        To: Ada <ada@home.example>
        Subject: Issue 42: engines, notes and numbers
        Message-ID: <issue-42@lists.example.org>
        List-Id: The Analytical Weekly <weekly.lists.example.org>
        List-Unsubscribe: <https://lists.example.org/leave>
        Precedence: bulk
        MIME-Version: 1.0
        Content-Type: multipart/alternative; boundary=part

        --part
        Content-Type: text/plain; charset=utf-8

        This week: a note on Bernoulli numbers, and how to leave this list.
        --part
        Content-Type: text/html; charset=utf-8

        <h1>Issue 42</h1><p>This week: a note on <b>Bernoulli numbers</b>, and how to
        <a href="https://lists.example.org/leave">leave this list</a>.</p>
        --part--
        """
    ),
  ]
}
