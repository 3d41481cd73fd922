import ArgumentParser
import Bytes
import Foundation
import MIME
import Sieve

struct SieveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sieve",
    abstract: "Checks Sieve scripts and tries them on messages.",
    subcommands: [Check.self, Run.self]
  )

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Prints what is wrong with a script, as LINE:COLUMN: MESSAGE, and then exits with 1."
    )

    @Argument(help: "The script; - reads standard input.")
    var script: String

    @OptionGroup var includes: IncludeOptions

    func run() throws {
      let source = try InputFile.read(script)
      do throws(ScriptErrors) {
        _ = try Script(compiling: source, limits: .tester, scripts: includes.scripts)
      } catch {
        for line in error.errors.map(\.description) {
          FileHandle.standardError.write(Data("\(line)\n".utf8))
        }
        throw ExitCode(1)
      }
    }
  }

  struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Runs a script on a message and prints as JSON what it would do; does nothing.",
      discussion: """
        Exits with 1 where the script is wrong. A script that fails while it runs keeps the message: \
        then `error` says why.
        """
    )

    @Option(help: "The script.")
    var script: String

    @Option(help: "The message (RFC 5322).")
    var message: String

    @Option(help: "The sender of the envelope; <> for none (default: Return-Path, or From).")
    var from: String?

    @Option(help: "The recipient of the envelope (default: Delivered-To, or To).")
    var to: String?

    @OptionGroup var includes: IncludeOptions

    @Option(
      parsing: .upToNextOption,
      help: "Mailboxes that exist, for mailboxexists (default: INBOX)."
    )
    var mailbox: [String] = []

    func run() throws {
      let source = try InputFile.read(script)
      let parsed = MessageParser.parse(LineEnds.canonical(try InputFile.read(message)))
      do throws(ScriptErrors) {
        let compiled = try Script(compiling: source, limits: .tester, scripts: includes.scripts)
        let host = TesterHost(mailboxes: Set(mailbox.isEmpty ? ["INBOX"] : mailbox))
        let result = compiled.run(
          on: ScriptMessage(parsed),
          envelope: envelope(of: parsed),
          host: host,
          limits: .tester
        )
        guard case .finished(let outcome) = result else { return }
        OutcomeJSON.write(outcome)
      } catch {
        OutcomeJSON.write(ScriptOutcome(failure: error.errors[0]))
        throw ExitCode(1)
      }
    }

    private func envelope(of message: ParsedMessage) -> ScriptEnvelope {
      func address(_ given: String?, _ fields: [String]) -> String {
        if let given { return given == "<>" ? "" : given }
        return fields.lazy.compactMap { message.header.addresses($0)?.first?.email }.first ?? ""
      }
      return ScriptEnvelope(
        from: address(from, ["Return-Path", "Sender", "From"]),
        to: address(to, ["Delivered-To", "Envelope-To", "To"])
      )
    }
  }
}

/// Where the scripts lie that others include.
struct IncludeOptions: ParsableArguments {
  @Option(
    name: .customLong("include-personal"),
    help: "The folder of :personal scripts, NAME.sieve."
  )
  var personal: String?

  @Option(name: .customLong("include-global"), help: "The folder of :global scripts, NAME.sieve.")
  var global: String?

  var scripts: FolderScripts { FolderScripts(personal: personal, global: global) }
}

/// Scripts as files of a folder.
struct FolderScripts: ScriptSource {
  let personal: String?
  let global: String?

  func text(of script: IncludedScript) -> [UInt8]? {
    guard let folder = script.location == .personal ? personal : global else { return nil }
    // The compiler lets no name with a slash through.
    for name in ["\(script.name).sieve", script.name] {
      if let data = FileManager.default.contents(atPath: "\(folder)/\(name)") {
        return [UInt8](data)
      }
    }
    return nil
  }
}

extension SieveLimits {
  /// The limits of a tester: a script that is tried sends nothing.
  fileprivate static var tester: SieveLimits {
    var limits = SieveLimits()
    limits.actions = 1_000
    limits.redirects = 1_000
    limits.notifications = 1_000
    return limits
  }
}

/// The world of a script that is only tried.
private struct TesterHost: ScriptHost {
  let mailboxes: Set<String>

  func answer(_ question: ScriptQuestion) -> ScriptAnswer? {
    switch question {
    case .now: .number(Int64(Date().timeIntervalSince1970))
    case .zoneOffset(let seconds):
      .number(
        Int64(
          TimeZone.current.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds))) / 60
        )
      )
    case .mailboxExists(let name):
      .flag(
        mailboxes.contains(name) || (name.uppercased() == "INBOX" && mailboxes.contains("INBOX"))
      )
    case .mailboxIDExists, .specialUseExists, .wasSeen, .isInList, .listExists, .isOwnAddress:
      .flag(false)
    case .metadata, .spamPercent, .virusLevel: .text(nil)
    case .environment(let name): .text(Self.environment[name])
    case .notifyCapability(_, let name): .text(name == "online" ? "maybe" : nil)
    }
  }

  private static let environment = [
    "name": "Restante", "version": Version.text, "location": "MS", "phase": "post",
  ]
}
