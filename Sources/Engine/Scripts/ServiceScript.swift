import Rules
import Sieve
import Store

/// Scripts that this service runs itself, on mail that it has taken already.
enum ServiceScript {
  /// What the script is called that was put in the place of rules.
  static let nameInPlaceOfRules = "rules"

  /// Extensions that the service does not carry out.
  ///
  /// It has taken a message when its script runs, and `ereject` must not be there where nothing is refused in SMTP (RFC 5429
  /// §2.1). What is sent goes by servers that need not have DSN, and is queued without its parameters.
  static let withoutHands: Set = ["ereject", "redirect-dsn"]

  /// The commands that send anything.
  private static let senders: Set = ["redirect", "vacation", "notify", "reject"]

  /// Compiles a script, which may include others of the account.
  static func compile(
    _ content: [UInt8],
    among texts: ScriptTexts
  ) throws(ScriptErrors) -> Script {
    try Script(compiling: content, scripts: texts, without: withoutHands)
  }

  /// Whether a script says anywhere that something is sent.
  static func sends(_ content: [UInt8]) -> Bool { has(senders, content) }

  /// The same, where what it includes may send as well.
  static func maySend(_ content: [UInt8]) -> Bool { has(senders.union(["include"]), content) }

  private static func has(_ names: Set<String>, _ content: [UInt8]) -> Bool {
    func has(_ commands: [SyntaxNode]) -> Bool {
      commands.contains { names.contains($0.name) || has($0.block ?? []) }
    }
    return has(Script.syntax(of: content) ?? [])
  }
}

/// The texts of an account's scripts, for those that include others.
struct ScriptTexts: ScriptSource, Sendable {
  private let texts: [String: [UInt8]]

  init(_ scripts: [ScriptRecord]) {
    texts = Dictionary(scripts.map { ($0.name, $0.content ?? []) }) { first, _ in first }
  }

  func text(of script: IncludedScript) -> [UInt8]? {
    script.location == .personal ? texts[script.name] : nil
  }
}
