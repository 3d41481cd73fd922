import ArgumentParser
import Bytes
import Crypto
import Foundation
import Logging
import Model
import Net
import Store

struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Creates, lists and revokes bearer tokens.",
    subcommands: [Create.self, List.self, Revoke.self]
  )

  /// Runs `body` over the database of `options`, on a loop; without `makesData` there must be one.
  private static func withStore<R: Sendable>(
    _ options: SettingsOptions,
    makesData: Bool = false,
    _ body: @escaping @Sendable (Store) async throws -> R
  ) async throws -> R {
    let settings = try options.settings()
    // A slip in --data would make a second, empty service.
    guard
      makesData || settings.databaseURL != nil
        || FileManager.default.fileExists(atPath: settings.dataDirectory + "/postgres")
    else {
      throw StartError(
        "\(settings.dataDirectory) holds no data of a service; name its folder by --data."
      )
    }
    let wiring = try await Wiring(settings, logger: Logger(label: "restante"))
    do {
      _ = try await wiring.migrate()
      let store = wiring.store
      let result = try await Task(executorPreference: wiring.group.next()) {
        try await body(store)
      }.value
      await wiring.close()
      return result
    } catch {
      await wiring.close()
      throw error
    }
  }

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Creates a token and prints it, once."
    )

    @OptionGroup var options: SettingsOptions

    @Option(help: "What the token is for.")
    var name = "token"

    @Option(name: .customLong("scope"), help: "read, write, send or admin; may be repeated.")
    var scopes: [String] = ["read", "write", "send"]

    @Option(name: .customLong("account"), help: "An account that it is limited to.")
    var accounts: [String] = []

    func run() async throws {
      let known: Set = ["read", "write", "send", "admin"]
      for scope in scopes where !known.contains(scope) {
        throw ValidationError("\(scope) is no scope; one of read, write, send, admin.")
      }
      let ids = try accounts.map { text in
        guard let id = ID<Account>(text: text) else {
          throw ValidationError("\(text) is no id of an account.")
        }
        return id
      }
      let (name, scopes) = (name, scopes)
      let token = try await TokenCommand.withStore(options, makesData: true) { store in
        for id in ids where try await store.account(id) == nil {
          throw ValidationError("There is no account \(id).")
        }
        return try await AdminToken.create(
          store,
          name: name,
          scopes: scopes,
          accounts: ids.isEmpty ? nil : ids
        ).text
      }
      print(token)
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists tokens, without their text.")

    @OptionGroup var options: SettingsOptions

    func run() async throws {
      let tokens = try await TokenCommand.withStore(options) { store in
        try await store.tokens(limit: 1000)
      }
      for token in tokens {
        let scopes = token.scopes.sorted().joined(separator: ",")
        let name = String(
          String.UnicodeScalarView(
            (token.name ?? "").unicodeScalars.map { $0.value < 0x20 ? " " : $0 }
          )
        )
        print("\(token.id)  \(token.isRevoked ? "revoked" : scopes)  \(name)")
      }
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Revokes a token for good.")

    @OptionGroup var options: SettingsOptions

    @Argument(help: "The token's id, as `token list` prints it.")
    var id: String

    func run() async throws {
      guard let token = ID<Token>(text: id) else {
        throw ValidationError("\(id) is no id of a token.")
      }
      let isKnown = try await TokenCommand.withStore(options) { store in
        try await store.revokeToken(token)
      }
      guard isKnown else { throw ValidationError("There is no token \(id).") }
      print("Revoked.")
    }
  }
}
