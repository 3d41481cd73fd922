import Glibc
import MIME
import Sieve

/// How often a second a script of 200 rules runs on parsed messages, on one core: prints a line of JSON.
///
///     sieveruns [ROUNDS]
///
/// The rules look at headers alone, every one of them is tried on each of 10,000 messages (there is no
/// `stop`), and a message counts as parsed before: its fields are found, nothing of them is decoded.
@main struct SieveRuns {
  private static let messages = 10_000
  private static let rules = 200

  static func main() {
    let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 3
    let mail = (0..<messages).map { message($0) }
    guard let script = try? Script(compiling: Array(script().utf8)) else {
      print("the script is wrong")
      exit(1)
    }
    var best = 0.0
    var filed = 0
    for _ in 0..<rounds {
      let start = cpuSeconds()
      filed = 0
      for message in mail { filed += run(script, message) }
      best = max(best, Double(messages) / (cpuSeconds() - start))
    }
    print("{\"runsPerSecond\": \(Int(best)), \"filed\": \(filed), \"rules\": \(rules)}")
  }

  private static func run(_ script: Script, _ message: ScriptMessage) -> Int {
    var limits = SieveLimits()
    limits.actions = 1_000
    let envelope = ScriptEnvelope(from: "sender@example.com", to: "user@example.org")
    let result = script.run(on: message, envelope: envelope, host: SilentHost(), limits: limits)
    guard case .finished(let outcome) = result else { return 0 }
    return outcome.actions.count
  }

  /// The time that this thread has had of a core.
  private static func cpuSeconds() -> Double {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Rules as people have them: senders, domains, lists, words of subjects, patterns, combinations.
  private static func script() -> String {
    var script = "require [\"fileinto\"];\n"
    for rule in 0..<rules {
      let test =
        switch rule % 6 {
        case 0: "address :is \"from\" \"person\(rule)@example.com\""
        case 1: "header :contains \"subject\" [\"topic\(rule)\", \"matter\(rule)\"]"
        case 2: "address :domain :is [\"to\", \"cc\"] \"team\(rule).example.org\""
        case 3: "header :contains \"list-id\" \"list\(rule).example.net\""
        case 4: "header :matches \"subject\" \"*[ticket\(rule)]*closed\""
        default:
          "allof (header :contains \"x-mailer\" \"robot\(rule)\", not exists \"x-priority\")"
        }
      script += "if \(test) { fileinto \"Rule \(rule)\"; }\n"
    }
    return script
  }

  private static func message(_ number: Int) -> ScriptMessage {
    let text = """
      Return-Path: <person\(number % 300)@example.com>\r
      Received: from mail.example.com (mail.example.com [192.0.2.1]) by mx.example.org\r
       with ESMTPS id \(number) for <user@example.org>; Tue, 24 Nov 2026 10:11:12 +0000\r
      Received: from [198.51.100.7] by mail.example.com; Tue, 24 Nov 2026 10:11:10 +0000\r
      DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; h=from:to:subject:date;\r
       bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=\(number)\r
      From: Person \(number % 300) <person\(number % 300)@example.com>\r
      To: User <user@example.org>, Team <all@team\(number % 250).example.org>\r
      Cc: Other <other@example.net>\r
      Subject: Re: [ticket\(number % 400)] about topic\(number % 210) and what comes of it\r
      Date: Tue, 24 Nov 2026 10:11:09 +0000\r
      Message-ID: <\(number).message@example.com>\r
      In-Reply-To: <\(number - 1).message@example.com>\r
      References: <\(number - 2).message@example.com> <\(number - 1).message@example.com>\r
      List-Id: A list <list\(number % 260).example.net>\r
      X-Mailer: robot\(number % 280) 1.0\r
      MIME-Version: 1.0\r
      Content-Type: text/plain; charset=utf-8\r
      \r
      The text.\r

      """
    return ScriptMessage(MessageParser.parse(Array(text.utf8)))
  }
}

/// A host that knows nothing.
private struct SilentHost: ScriptHost {
  func answer(_ question: ScriptQuestion) -> ScriptAnswer? { .flag(false) }
}
